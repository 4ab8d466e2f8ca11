"""`python -m benchmarks COMMAND`; `--help` lists the commands."""

import argparse
from collections.abc import Sequence
from importlib import import_module


def parser() -> argparse.ArgumentParser:
    """The commands; `measure` is what the others start in processes of their own."""
    main_parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What stochq and others cost.")
    commands = main_parser.add_subparsers(dest="command", required=True)
    throughput = commands.add_parser("throughput", help="time per trajectory-step, compile time, peak memory")
    throughput.add_argument("--quick", action="store_true", help="fewer problems and repeats; nothing is written")
    throughput.add_argument("--only", action="append", default=[], metavar="NAME", help="a row such as suv-8, or suv")
    kept = throughput.add_mutually_exclusive_group()
    kept.add_argument("--record", action="store_true", help="stochq alone, appended to the history by commit")
    kept.add_argument("--compare", default="", metavar="COMMIT", help="with the history; exit 1 if a row is slower")
    accuracy = commands.add_parser("accuracy", help="time to a stated bias and standard error")
    accuracy.add_argument("--quick", action="store_true", help="fewer problems, less patience; nothing is written")
    accuracy.add_argument("--only", action="append", default=[], metavar="NAME", help="a row such as suv-8, or suv")
    accuracy.add_argument("--again", action="store_true", help="measure anew what is already there")
    honesty = commands.add_parser("honesty", help="z² of standard errors, and how often a tolerance is not kept")
    honesty.add_argument("--only", choices=("errors", "tolerance"), help="one half of it; the other is left as it is")
    honesty.add_argument("--quick", action="store_true", help="20 runs instead of 200; nothing is written")
    commands.add_parser("memory", help="peak memory of a million trajectories")
    commands.add_parser("agreement", help="large ensembles against their master equations")
    commands.add_parser("phase-space", help="ten thousand dissipative-CSL oscillators in one call")
    commands.add_parser("likelihood", help="records: likelihoods, gradients and conditional states, beside QuTiP")
    commands.add_parser("fitting", help="gradients against forward runs, their memory, and coverage of intervals")
    commands.add_parser("first-fit", help="what the first fit of an example takes, and the next one of other data")
    coverage = commands.add_parser("coverage", help="how often intervals of fits of the four examples hold the truth")
    coverage.add_argument("--sets", type=int, default=200, help="of synthetic data; another number is not written")
    coverage.add_argument(
        "--intervals", choices=("wald", "profile"), default="wald", help="which are held to the truth"
    )
    coverage.add_argument(
        "--only", action="append", default=[], metavar="WORD", help="a case such as chain; the others stay as they are"
    )
    commands.add_parser("facade", help="QuTiP's words on stochq beside direct calls and QuTiP itself")
    commands.add_parser("long-records", help="ten million samples fitted by their correlations")
    commands.add_parser("coloured", help="noise with a spectrum against white noise, per step")
    commands.add_parser("noise-share", help="a step beside its random numbers alone")
    commands.add_parser("records", help="runs with their records beside the same without")
    commands.add_parser("scaling", help="cost and memory against dimension, operators, trajectories and steps")
    crossover = commands.add_parser("crossover", help="from which dimension on an ensemble is faster")
    crossover.add_argument("--more", action="append", default=[], metavar="NAME", help="go on with a model such as suv")
    commands.add_parser("jumps", help="quantum jumps beside QuTiP's, and beside diffusion in large dimensions")
    many = commands.add_parser("spins", help="steps of many spins without a matrix: time, memory traffic, peers")
    many.add_argument("--sites", type=int, nargs="+", default=[], metavar="N", help="further numbers of sites")
    many.add_argument("--long", action="store_true", help="12, 16 and 20 spins to the end as well: up to 25 minutes")
    many.add_argument("--only", action="append", default=[], metavar="WORD", help="a model such as OQT; not written")
    commands.add_parser("schemes", help="which scheme gets to a tolerance first")
    any_law = commands.add_parser("any-law", help="noise='any' beside every law that is named")
    any_law.add_argument("--only", action="append", default=[], metavar="NAME", help="a row such as suv-8; not written")
    commands.add_parser("randomness", help="classical tests of the raw random words")
    commands.add_parser("dieharder", help="the same words through dieharder, where that is installed")
    code = commands.add_parser("gpu-code", help="programs compiled for an H100 without one, and what a step launches")
    code.add_argument("--only", action="append", default=[], metavar="NAME", help="rows made anew, such as suv-8")
    code_of = commands.add_parser("gpu-code-of", help="half a row of `gpu-code` in this process, as JSON")
    code_of.add_argument("name")
    code_of.add_argument("library", choices=("stochq",))
    code_of.add_argument("loop", choices=("xla", "persistent"))
    card = commands.add_parser("gpu", help="whether an accelerator is right, and what it delivers")
    card.add_argument("--seconds", type=float, default=400.0, help="after which no row begins; 400")
    card.add_argument("--rehearse", action="store_true", help="all of it small, on a processor; nothing is written")
    card.add_argument("--only", action="append", default=[], metavar="ROW", help="a row such as 'suv-8 few', or suv-8")
    for name, help_ in (
        ("gpu-rows", "rows of `gpu` in this process"),
        ("gpu-reference", "what a processor finds of them"),
    ):
        part = commands.add_parser(name, help=help_)
        part.add_argument("folder")
        part.add_argument("names", nargs="+")
        part.add_argument("--rehearse", action="store_true")
    scale = commands.add_parser("scale", help="one axis of `scaling` in this process, as JSON")
    scale.add_argument("name")
    scale.add_argument("library", choices=("stochq",))
    cross = commands.add_parser("cross", help="one model of `crossover` in this process, as JSON")
    cross.add_argument("name")
    cross.add_argument("library", choices=("stochq",))
    cross.add_argument("first_exponent", type=int, nargs="?", default=0)
    one = commands.add_parser("scheme", help="one scheme of `schemes` in this process, as JSON")
    one.add_argument("name")
    one.add_argument("library", choices=("stochq",))
    one.add_argument("question", choices=("mean", "square"))
    one.add_argument("scheme")
    reach = commands.add_parser("reach", help="one measurement of accuracy in this process, as JSON")
    reach.add_argument("name")
    reach.add_argument("library", choices=("stochq", "dynamiqs", "qutip"))
    reach.add_argument("method", nargs="?", default="")
    reach.add_argument("--patience", choices=("quick", "full", "thorough"), default="full")
    spread = commands.add_parser("distributed", help="several devices and hosts: scaling, what passes between them")
    spread.add_argument("--long", action="store_true", help="a qubit's run alone, in fixed memory")
    spread.add_argument("--trajectories", type=int, default=10**8, help="of --long; 100000000")
    over_devices = commands.add_parser("distributed-devices", help="runs over virtual devices in this process, as JSON")
    over_devices.add_argument("name")
    over_devices.add_argument("trajectories", type=int)
    over_devices.add_argument("repeats", type=int)
    member = commands.add_parser("distributed-member", help="this process among others, as JSON")
    for name in ("which", "port"):
        member.add_argument(name)
    for name in ("trajectories", "cores", "repeats"):
        member.add_argument(name, type=int)
    commands.add_parser("distributed-long-run", help="as JSON").add_argument("trajectories", type=int)
    measure = commands.add_parser("measure", help="one measurement in this process, as JSON")
    measure.add_argument("name")
    measure.add_argument("library", choices=("stochq", "dynamiqs", "qutip"))
    measure.add_argument("detail", nargs="?", default="default")
    measure.add_argument("--trajectories", type=int, default=0)
    measure.add_argument("--quick", action="store_true")
    measure.add_argument("--once", action="store_true", help="one call only")
    return main_parser


# What a command calls: a module, a function in it, and what that takes from the command line.
CALLS = {
    "throughput": ("throughput", "throughput", ("quick", "only", "record", "compare")),
    "accuracy": ("accuracy", "accuracy", ("quick", "only", "again")),
    "honesty": ("honesty", "honesty", ("quick", "only")),
    "memory": ("memory", "memory", ()),
    "agreement": ("agreement", "agreement", ()),
    "phase-space": ("phase_space", "phase_space", ()),
    "likelihood": ("likelihood", "likelihood", ()),
    "fitting": ("fitting", "fitting", ()),
    "first-fit": ("first_fit", "first_fit", ()),
    "coverage": ("coverage", "coverage", ("sets", "intervals", "only")),
    "facade": ("facade", "facade", ()),
    "long-records": ("long_records", "long_records", ()),
    "coloured": ("coloured", "coloured", ()),
    "noise-share": ("noise_share", "noise_share", ()),
    "records": ("records", "records", ()),
    "scaling": ("scaling", "scaling", ()),
    "crossover": ("crossover", "crossover", ("more",)),
    "jumps": ("jumps", "jumps", ()),
    "spins": ("spins", "spins", ("sites", "long", "only")),
    "schemes": ("schemes", "schemes", ()),
    "any-law": ("any_law", "any_law", ("only",)),
    "randomness": ("randomness", "randomness", ()),
    "dieharder": ("dieharder", "dieharder", ()),
    "distributed": ("distributed", "distributed", ("long", "trajectories")),
    "distributed-devices": ("distributed_worker", "devices_main", ("name", "trajectories", "repeats")),
    "distributed-member": (
        "distributed_worker",
        "member_main",
        ("which", "port", "trajectories", "cores", "repeats"),
    ),
    "distributed-long-run": ("distributed_worker", "long_main", ("trajectories",)),
    "gpu-code": ("gpu_code", "gpu_code", ("only",)),
    "gpu-code-of": ("child", "gpu_code_main", ("name", "loop")),
    "gpu": ("gpu", "gpu", ("seconds", "rehearse", "only")),
    "gpu-rows": ("gpu_worker", "rows_main", ("names", "rehearse", "folder")),
    "gpu-reference": ("gpu_worker", "reference_main", ("names", "rehearse", "folder")),
    "scale": ("child", "scale_main", ("name",)),
    "cross": ("child", "cross_main", ("name", "first_exponent")),
    "scheme": ("child", "scheme_main", ("name", "question", "scheme")),
    "reach": ("child", "reach_main", ("name", "library", "method", "patience")),
    "measure": ("child", "measure_main", ("name", "library", "detail", "trajectories", "quick", "once")),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; what it needs is imported then."""
    chosen = parser().parse_args(arguments)
    module, function, names = CALLS[chosen.command]
    getattr(import_module(f"benchmarks.{module}"), function)(*(getattr(chosen, name) for name in names))


if __name__ == "__main__":
    main()
