"""Published systems at common settings, for the atlas: who talks to whom, and what a node does."""

from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np

from desgd_fast import algorithms as a
from desgd_fast import mixing
from desgd_fast.algorithms import Algorithm

N_NODES, DIM = 8, 10


@dataclass(frozen=True, eq=False)
class System:
    """A mixing matrix or process, and an algorithm; ``source`` says whose.

    So many ``events`` are a step of the others; theory is asked where that is one, and would take hours else.
    """

    W: Any
    algorithm: Algorithm
    source: str = ""
    events: int = 1


def systems() -> dict[str, System]:
    """Every system by its name, the plain ones first."""
    graph = nx.cycle_graph(N_NODES)
    ring = mixing.mixing_matrix(graph)
    everyone, alone = np.full((N_NODES, N_NODES), 1 / N_NODES), np.eye(N_NODES)

    def served(*parts: Algorithm) -> Algorithm:
        return a.chain(*parts, a.adapt_then_combine())

    def sent(compressor: a.Part, memory: str | None = None) -> Algorithm:
        return served(a.compressed(compressor, memory=memory))

    def attacked(*parts: Algorithm) -> Algorithm:
        return served(a.a_little_is_enough([N_NODES - 1]), *parts)

    on_ring = {
        "DE-SGD": (a.sgd(), "Lian et al., NeurIPS 2017"),
        "adapt then combine": (a.adapt_then_combine(), "Chen & Sayed, IEEE TSP 2012"),
        "heavy ball": (a.heavy_ball(0.5), "Polyak, 1964"),
        "momentum": (a.moving_average(0.9), "Yu et al., ICML 2019"),
        "Nesterov": (a.nesterov(0.5), "Sutskever et al., ICML 2013"),
        "gradient tracking": (a.gradient_tracking(), "Pu & Nedić, Math. Program. 2021"),
        "EXTRA": (a.extra(), "Shi et al., SIAM J. Optim. 2015"),
        "late gradients": (a.delayed(2), "Agarwal & Duchi, NeurIPS 2011"),
        "local steps": (a.local_steps(5), "Stich, ICLR 2019"),
        "Bernoulli gradients": (a.bernoulli(0.5), ""),
        "optimistic": (a.optimistic(), "Daskalakis et al., ICLR 2018"),
        "CHOCO, random-k": (a.choco(a.random_k(3, unbiased=False), 0.3), "Koloskova et al., ICML 2019"),
        "CHOCO, top-k": (a.choco(a.top_k(3), 0.3), "Koloskova et al., ICML 2019"),
        "DeepSqueeze, sign": (a.deep_squeeze(a.sign(), 0.1), "Tang et al., 2019"),
        "coordinate median": (served(a.coordinate_median()), "Yin et al., ICML 2018"),
        "clipped": (a.clipped(1.0), "Pascanu et al., ICML 2013"),
        "normalized": (a.normalized(), "Cutkosky & Mehta, ICML 2020"),
        "DP-SGD": (a.dp_sgd(1.0, 1.0, 1), "Abadi et al., CCS 2016"),
        "DiceSGD": (a.dice_sgd(1.0, 1.0, noise_scale=1.0), "Zhang et al., ICLR 2024"),
        "Adam": (a.adam(), "Kingma & Ba, ICLR 2015"),
        "AMSGrad": (a.amsgrad(), "Reddi et al., ICLR 2018"),
        "AdaHessian": (a.adahessian(), "Yao et al., AAAI 2021"),
        "Sophia": (a.sophia(), "Liu et al., ICLR 2024"),
        "mirror descent, p = 1.5": (a.mirror_descent(1.5), "Duchi et al., IEEE TAC 2012"),
        "AdaBelief": (a.adabelief(), "Zhuang et al., NeurIPS 2020"),
        "diffGrad": (a.diffgrad(), "Dubey et al., TNNLS 2020"),
        "FRUGAL": (a.frugal(5, every=50), "Zmushko et al., 2024"),
        "SGD-SaI": (a.chain(a.moving_average(0.9), a.signal_to_noise()), "Xu et al., 2024"),
        "SGDP": (a.projected(a.heavy_ball(0.9)), "Heo et al., ICLR 2021"),
        "MoNNA": (a.monna(0, 0.9), "Farhadkhani et al., ICML 2023"),
    }
    by_mean = {
        "C-SGD": (served(), "all nodes meet"),
        "random-k": (sent(a.random_k(3)), "Stich et al., NeurIPS 2018"),
        "random-k, error feedback": (
            sent(a.random_k(3, unbiased=False), "error-feedback"),
            "Stich et al., 2018",
        ),
        "top-k": (sent(a.top_k(3)), "Aji & Heafield, EMNLP 2017"),
        "top-k, error feedback": (sent(a.top_k(3), "error-feedback"), "Stich et al., NeurIPS 2018"),
        "QSGD": (sent(a.qsgd(4)), "Alistarh et al., NeurIPS 2017"),
        "scaled sign, error feedback": (sent(a.sign(), "error-feedback"), "Karimireddy et al., ICML 2019"),
        "signSGD": (sent(a.sign(scaled=False)), "Bernstein et al., ICML 2018"),
        "ATOMO": (a.atomo(3.0), "Wang et al., NeurIPS 2018"),
        "Accordion": (sent(a.accordion(a.top_k(8), a.top_k(2), every=20)), "Agarwal et al., MLSys 2021"),
        "Just One Byte": (a.just_one_byte(), "Zelikman et al., 2023"),
        "Just One Byte, encoded": (a.just_one_byte(encoded=True), "Zelikman et al., 2023"),
        "FedFix": (a.fedfix([1, 1, 1, 1, 2, 2, 4, 4]), "Fraboni et al., JMLR 2023"),
    }
    by_server = {
        "median": (served(a.coordinate_median()), "Yin et al., ICML 2018"),
        "trimmed mean": (served(a.trimmed_mean(1)), "Yin et al., ICML 2018"),
        "geometric median": (served(a.geometric_median(n_iterations=10)), "Pillutla et al., IEEE TSP 2022"),
        "Flag Aggregator": (served(a.flag(n_iterations=1)), "Almasi et al., ICLR 2024"),
        "Krum": (served(a.krum(1)), "Blanchard et al., NeurIPS 2017"),
        "multi-Krum": (served(a.multi_krum(1)), "Blanchard et al., NeurIPS 2017"),
        "Bulyan": (served(a.bulyan(1)), "El Mhamdi et al., ICML 2018"),
        "DETOX": (a.detox(a.coordinate_median(), 2), "Rajput et al., NeurIPS 2019"),
        "Krum under ALIE": (attacked(a.krum(1)), "Baruch et al., NeurIPS 2019"),
        "median under ALIE": (attacked(a.coordinate_median()), "Baruch et al., NeurIPS 2019"),
    }
    links = nx.circulant_graph(N_NODES, [1, 3]).to_directed()
    links.remove_edges_from([(i, (i - 1) % N_NODES) for i in range(N_NODES)])
    half, clocks = mixing.server(N_NODES, N_NODES // 2), mixing.poisson_clocks(graph)
    assert clocks.event_rate is not None
    # Smoothness has to count the noise of a gradient: E‖a‖² a aᵀ = (d + 2) I.
    flow = a.dadao(
        DIM + 2.0,
        1.0,
        event_rate=clocks.event_rate,
        spectral_gap=mixing.mixing_report(clocks).spectral_gap,
    )
    changing: dict[str, tuple[Any, ...]] = {
        "DADAO": (clocks, flow, "Nabli & Oyallon, ICML 2023", round(clocks.event_rate)),
        "link failures": (mixing.link_failures(ring, 0.3), a.sgd(), "one link in three is down"),
        "node dropout": (mixing.node_dropout(ring, 0.3), a.sgd(), "one node in three is away"),
        "pairwise gossip": (mixing.pairwise_gossip(graph), a.sgd(), "Boyd et al., IEEE TIT 2006"),
        "random matching": (mixing.random_matching(graph), a.sgd(), ""),
        "one-peer exponential": (
            mixing.one_peer_exponential(N_NODES),
            a.sgd(),
            "Ying et al., NeurIPS 2021",
        ),
        "FedAvg": (half, a.fedavg(5), "McMahan et al., AISTATS 2017"),
        "FedBuff": (half, a.fedbuff([0.5, 0.3, 0.2]), "Nguyen et al., AISTATS 2022"),
        "FedAU": (mixing.server(N_NODES), a.fedau(0.5), "Wang & Ji, ICLR 2024"),
        "gradient push": (mixing.push_sum(links), a.stochastic_gradient_push(), "Assran et al., ICML 2019"),
        "token": (mixing.token(graph), a.token_sgd(), "Johansson et al., SIAM J. Optim. 2009"),
        "self-repellent token": (
            mixing.self_repellent_token(graph, 2.0),
            a.token_sgd(),
            "Hu et al., ICLR 2024",
        ),
    }
    return (
        {"Dis-SGD": System(alone, a.sgd(), "no node meets another")}
        | {name: System(ring, *rest) for name, rest in on_ring.items()}
        | {name: System(everyone, *rest) for name, rest in by_mean.items()}
        # One combines for all, where eight nodes would come to the same.
        | {name: System(mixing.server(N_NODES), *rest) for name, rest in by_server.items()}
        | {name: System(*rest) for name, rest in changing.items()}
    )
