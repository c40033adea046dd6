"""The site: `make site` builds it offline, with every warning an error."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "extensions")]

import desgd_fast  # noqa: E402

project = "desgd_fast"
author = "the desgd_fast developers"
copyright = "the desgd_fast developers, BSD-3-Clause"
version = release = desgd_fast.__version__

extensions = [
    "sphinx.ext.autodoc",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
    "mathml",
    "written",
]
exclude_patterns = ["_build", "guide", "written/*.md"]
nitpicky = False

# Names as users write them; types stand in the docstrings.
autodoc_typehints = "none"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
add_module_names = False
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

myst_enable_extensions = ["dollarmath", "amsmath", "attrs_inline", "attrs_block", "colon_fence", "deflist"]
myst_heading_anchors = 3
math_numfig = False
html_math_renderer = "mathml"

sphinx_gallery_conf = {
    "examples_dirs": "guide",
    "gallery_dirs": "tutorials",
    "filename_pattern": r".*\.py",
    "within_subsection_order": "written.TutorialOrder",
    "download_all_examples": True,
    "show_memory": False,
    "show_signature": False,
    "abort_on_example_error": True,
    # Without running the tutorials the site builds in seconds: what CI checks.
    "plot_gallery": os.environ.get("TUTORIALS", "1") != "0",
    "image_srcset": ["2x"],
    "write_computation_times": False,
    "capture_repr": ("_repr_html_",),
    "reset_modules": ("matplotlib",),
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = "desgd_fast"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = [("explore.js", {"defer": "defer"})]
html_show_sourcelink = False
html_sidebars = {
    page: []
    for page in (
        *(
            "explore",
            "atlas",
            "mathematics",
            "command_line",
            "published",
            "performance",
            "calibration",
            "contributing",
        ),
        *("changes", "search", "genindex"),
    )
}
html_theme_options = {
    "show_prev_next": True,
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
