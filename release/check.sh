#!/usr/bin/env bash
# Builds sdist and wheel, checks their metadata, and tries the wheel in fresh environments, on every Python from 3.11 on
# that is there, and once with the oldest versions that it says it supports. dist/ then holds what to upload.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/pyproject.toml")
grep -q "^## \[$version\] - [0-9]\{4\}-[0-9]\{2\}-[0-9]\{2\}$" "$root/CHANGELOG.md" ||
  { echo "CHANGELOG.md has no dated section for $version"; exit 1; }
grep -q "^version: $version$" "$root/CITATION.cff" || { echo "CITATION.cff is not of version $version"; exit 1; }
grep -q "set version = \"$version\"" "$root/release/meta.yaml" || { echo "meta.yaml is not of version $version"; exit 1; }

rm -rf "$root/dist"
# Of what git holds, so that nothing lying about gets in.
mkdir "$work/tree"
(cd "$root" && git ls-files -z | tar --null -T - -cf -) | tar -xf - -C "$work/tree"
"$python" -m build --outdir "$root/dist" "$work/tree" > "$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
"$python" -m twine check --strict "$root"/dist/*
cp "$root/release/smoke.py" "$work/smoke.py"

# try PYTHON PACKAGE [REQUIREMENT…]: in an environment and a folder of its own.
try() {
  local interpreter=$1 package=$2 env
  env=$(mktemp -d "$work/env.XXXX")
  shift 2
  "$interpreter" -m venv "$env"
  "$env/bin/pip" install --quiet "$package" "$@"
  (cd "$env" && PYTHONPATH= "$env/bin/python" "$work/smoke.py")
  rm -rf "$env"
}

wheel=$(echo "$root"/dist/*.whl)
sdist=$(echo "$root"/dist/*.tar.gz)
for minor in 11 12 13 14; do
  interpreter=$(command -v "python3.$minor" || true)
  if [ -z "$interpreter" ] || ! "$interpreter" --version > /dev/null 2>&1; then
    echo "python3.$minor is not here: not tried"
    continue
  fi
  try "$interpreter" "$wheel"
  oldest=${oldest:-$interpreter}
done
echo "from the sdist:"
try "$oldest" "$sdist"
echo "with the oldest versions:"
try "$oldest" "$wheel" "numba==0.61.*" "numpy==2.0.*" "scipy==1.13.*" "networkx==3.2.*"
echo "ready: $(ls "$root/dist" | tr '\n' ' ')"
