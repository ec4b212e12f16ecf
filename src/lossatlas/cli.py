"""The one command. Heavy imports stay inside the subcommands: `list` and `--help` start at once."""

import contextlib
import getpass
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import lossatlas
from lossatlas import cards
from lossatlas.aligned import aligned
from lossatlas.errors import PLACES, TRACEBACK, UserError, meant, tell
from lossatlas.losses import expression, registry
from lossatlas.names import folder, short
from lossatlas.terminal import forgive, printable


class Commands(TyperGroup):
    """A group whose help says of each command its whole first sentence; click cuts it to a line.

    A command that it has not is refused in our words.
    """

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if not args[0].startswith("-") and args[0] not in (names := self.list_commands(ctx)):
            hint = meant(args[0], names) or f"legal: {', '.join(names)}"
            raise UserError(f"{ctx.command_path} has no command {short(args[0])}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        names = self.list_commands(ctx)
        said = [(name, self.commands[name].get_short_help_str(limit=1000)) for name in names]
        with formatter.section("Commands"):
            formatter.write_dl(said)


app = typer.Typer(
    cls=Commands,
    help="Loss Atlas: a survey of loss functions that runs.",
    epilog="With --traceback, each command also shows where an error came from.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(cls=Commands, help="Fetch or verify CIFAR-10.", no_args_is_help=True)
app.add_typer(data_app, name="data")
runs_app = typer.Typer(cls=Commands, invoke_without_command=True)
app.add_typer(runs_app, name="runs")


def _path(text: str | Path) -> Path:
    if not str(text).strip():
        raise typer.BadParameter("a path must not be empty")
    return Path(text)


PATH: dict[str, Any] = {"parser": _path, "metavar": "PATH"}
Runs = Annotated[Path | None, typer.Option("--runs", **PATH, help="Folder of runs.")]
Pages = Annotated[Path, typer.Option("-o", "--out", **PATH, help="Folder for the pages.")]
SomeSweeps = Annotated[
    str | None, typer.Option(metavar="NAME", help="Only the runs of this sweep; several as A,B.")
]
Only = Annotated[str | None, typer.Option(help="Only runs whose id fits a pattern.")]
OVERRIDES: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True}


def _version(asked: bool) -> None:
    if asked:
        print(f"lossatlas {lossatlas.__version__}")
        raise typer.Exit


@app.callback()
def front(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Take the options of the command without a subcommand."""


def main() -> None:
    """Run the command of this process; errors of the user are told, and exit with code 2."""
    # Lightning loads matplotlib, which fails on a notebook's backend that is not installed here.
    os.environ["MPLBACKEND"] = "agg"
    _settle()
    forgive()
    os.environ.pop(TRACEBACK, None)  # of an earlier call in this process
    if (option := "--traceback") in sys.argv:  # anywhere, also among Hydra's overrides
        os.environ[TRACEBACK] = "1"
        sys.argv = [argument for argument in sys.argv if argument != option]
    try:
        sys.exit(app(prog_name="lossatlas", standalone_mode=False))
    except UserError as error:
        tell(error)
        sys.exit(2)
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # no mistake: its text is the help
            error.show()  # type: ignore[attr-defined]
            sys.exit(2)
        told = _usage(error) or registry.blame(error)
        if told is None and isinstance(error, OSError) and error.errno in PLACES:
            where = "" if error.filename is None else f"{error.filename}: "
            told = UserError(f"{where}{error.strerror}")
        if told is None:
            raise
        told.__cause__ = error
        tell(told)
        sys.exit(2)


def _usage(error: Any) -> UserError | None:
    """What click says of a wrong command line, as one sentence with what is legal; else None.

    By what it has, not by its class: typer brings a click of its own in some versions.
    """
    if not hasattr(error, "format_message"):
        return None
    said = error.format_message().rstrip(".")
    said = f"{said[:1].lower()}{said[1:]}"
    if (context := getattr(error, "ctx", None)) is None:
        return UserError(said)  # an option lacks its value, or has one that it does not take
    where, parameters = context.command_path, context.command.params
    if hasattr(error, "possibilities"):
        known = [name for each in parameters for name in each.opts if name.startswith("-")]
        hint = " ".join([meant(error.option_name, known), "legal:"]).strip()
        option = short(error.option_name)
        return UserError(f"{where} has no option {option}; {hint} {', '.join([*known, '--help'])}")
    if (of := getattr(error, "param", None)) is not None:
        needed = f": {of.help.rstrip('.')}" if hasattr(error, "param_type") and of.help else ""
        return UserError(f"{where}: {said}{needed}")
    usage = " ".join(context.get_usage().split()).removeprefix("Usage: ")
    return UserError(f"{said}; legal: {usage}")


def _settle() -> None:
    """Give a process without HOME and without an entry in the password file, as in containers, the
    home and the name that libraries ask for and would raise without; and one whose output was
    closed somewhere to write to."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = tempfile.gettempdir()
    for name in ("stdout", "stderr"):  # closed by the shell: >&-
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    try:
        getpass.getuser()
    except (KeyError, OSError):  # the latter from Python 3.13 on
        os.environ["USER"] = str(os.getuid())


@app.command("list")
def list_(
    words: Annotated[list[str] | None, typer.Argument(help="Text of name, paper, purpose.")] = None,
    family: Annotated[str | None, typer.Option(help="Only this family.")] = None,
    target: Annotated[str | None, typer.Option(help="Only this type of target.")] = None,
    need: Annotated[str | None, typer.Option(help="What it requires: class_counts.")] = None,
    prop: Annotated[
        str | None, typer.Option("--property", help="What its card says: bounded, bounded=false.")
    ] = None,
    year: Annotated[str | None, typer.Option(help="2018, 2018-2021, 2018- or -2021.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """List the losses by family: id, status, year of the paper, purpose."""
    from lossatlas import catalogue

    rows = catalogue.rows(words, family, target, need, prop, year)
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    table = [[f"  {r['id']}", r["status"], str(r.get("year", "")), r["purpose"]] for r in rows]
    lines = iter(aligned(table) if table else ())
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for room, losses in groupby(rows, lambda row: row["family"]):
        print(room)
        for _ in losses:
            print(next(lines)[:width])
    counts = Counter(row["status"] for row in rows)
    more = f", {counts['broken']} broken" if counts["broken"] else ""
    verified = f"{counts['verified']} verified {'loss' if counts['verified'] == 1 else 'losses'}"
    drafts = f"{counts['draft']} {'draft' if counts['draft'] == 1 else 'drafts'}"
    print(f"{verified}, {drafts}{more}", file=sys.stderr)
    broken = [row["purpose"] for row in rows if row["status"] == "broken"]
    for why in broken + registry.faults():
        print(f"lossatlas: {why}", file=sys.stderr)


@app.command()
def bib(
    names: Annotated[
        list[str] | None, typer.Argument(help="Ids of losses; all by default.")
    ] = None,
) -> None:
    """Print the papers of losses as BibTeX, one entry a paper."""
    from lossatlas import catalogue

    carded = (name for name in registry.list_losses() if registry.has_card(name))
    print(catalogue.bibtex(names or list(carded)))


@app.command()
def show(name: Annotated[str, typer.Argument(help="Id of a loss, or 'a + b'.")]) -> None:
    """Show a card: paper, formula, hyperparameters, properties, prose, status.

    Of losses made of others, the loss and the cards of these. Exit code 1 if the code of a draft is
    not what its card states.
    """
    if name.isidentifier():
        wrong = _show(name)
    else:
        print(repr(registry.get_loss(name)))
        wrong = []
        for one in expression.ids(name):
            print()
            wrong += _show(one)
    for fault in wrong:
        print(f"lossatlas: {fault}", file=sys.stderr)
    if wrong:
        sys.exit(1)


def _show(name: str) -> list[str]:
    """Print a card; return where the code is not what it states, unless that is known to be so."""
    entry, card = registry.find(name), registry.get_card(name)
    paper = card.paper
    print(f"{card.name} ({card.id}), {registry.status(entry)}")
    print(f"family {card.family}, target {card.target}")
    print(f"paper  {', '.join(paper.authors)}: {paper.title}. {paper.venue}, {paper.year}.")
    for label, value in (("link", paper.url), ("code", paper.code), ("see", paper.see_also)):
        if value:
            print(f"{label:<6} {value}")
    print(f"\nformula\n  {card.formula.strip()}")
    if card.hyperparameters:
        print("\nhyperparameters (train with loss.NAME=VALUE)")
    for key, h in card.hyperparameters.items():
        searched = f", searched in {h.search}" if h.search else ""
        print(f"  {key} = {h.default:g} in {h.range}{searched}: {h.meaning} ({h.source})")
    if card.properties:
        print("\nproperties, as the sources say")
    for key, claim in card.properties.items():
        print(f"  {key}: {str(claim.value).lower()}{f' ({claim.note})' if claim.note else ''}")
    for heading, text in card.prose.items():
        print(f"\n{heading}\n{text}")
    for one in card.discrepancies:
        print(f"\nsources disagree ({one.between}): {one.what}; here: {one.ours}")
    for number in card.published:
        print(f"\npublished on CIFAR-10: {number.line}")
    print(f"\nevidence {card.evidence.level}: {card.evidence.checked}")
    print(f"\ncard {entry.card}\ncode {entry.code}")
    for gap in card.todo:
        print(f"to do: {gap}")
    return registry.doubts(name)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Id of the loss: my_loss.")],
    family: Annotated[str, typer.Option(help=f"One of {', '.join(cards.FAMILIES)}.")],
    target: Annotated[
        str | None, typer.Option(help="Type of the target; default: the family's usual one.")
    ] = None,
    path: Annotated[
        Path | None, typer.Option(**PATH, help="Folder for a loss of your own.")
    ] = None,
) -> None:
    """Write the three files of a new loss: card, code, and the formula's reference.

    They are a correct trivial loss, which trains, tests and checks at once, to be edited.
    """
    from lossatlas.scaffold import write_loss

    for file in write_loss(name, family, target, path):
        print(file)
    if path is not None:
        print(f"make it known with: export {registry.PATH_VARIABLE}={path.expanduser().resolve()}")


@app.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(help="Ids of losses, or 'a + b'.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every loss.")] = False,
    prop: Annotated[str | None, typer.Option("--property", help="This property only.")] = None,
    witness: Annotated[
        str | None, typer.Option(help="Print the witness against this property as Python.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    fresh: Annotated[bool, typer.Option(help="Search again, whatever is stored.")] = False,
    classes: Annotated[
        int | None, typer.Option(min=2, max=20, help="Of the logits; default 4, kept only then.")
    ] = None,
    record: Annotated[
        bool, typer.Option(help="For maintainers: keep the verdicts beside the cards.")
    ] = False,
) -> None:
    """Decide a loss's mathematical properties; exit code 1 if its card says what is not so."""
    if bool(names) == everything:
        raise UserError("name the losses to check, or give --all")
    chosen = registry.list_losses() if everything else list(dict.fromkeys(names or []))
    for name in chosen:
        if name.isidentifier():
            registry.find(name)
    from lossatlas.losses import examples
    from lossatlas.theory import records, wording
    from lossatlas.theory.many import check_many

    only = [records.find_property(p) for p in (prop, witness) if p] or None
    if record and classes is not None:
        raise UserError(
            "--record keeps the verdicts for the usual number of classes; leave out --classes"
        )
    found = check_many(chosen, only, jobs, fresh, classes, record)
    flat = [record for one in found for record in one]
    against = wording.contradictions(flat)
    if only is None:
        carded = [name for name in chosen if registry.has_card(name)]
        against += [f"{name}: {fault}" for name in carded for fault in examples.faults(name)]
    if not as_json and not witness:
        for line in filter(None, map(wording.heading, found)):
            print(line)
    if as_json:
        print(json.dumps(flat, indent=1))
    elif witness:
        print("\n\n".join(wording.witness_of(one, records.find_property(witness)) for one in found))
    elif prop:
        print(wording.table(flat, "loss"))
    elif len(chosen) == 1:
        print(wording.table(flat))
    else:
        print("\n".join(wording.summary(one) for one in found))
    for sentence in against:
        print(f"lossatlas: {sentence}", file=sys.stderr)
    if against or len(found) < len(chosen):
        sys.exit(1)


@app.command()
def test(
    names: Annotated[
        list[str] | None, typer.Argument(help="Ids of losses, 'a + b', or files.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every loss.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    record: Annotated[
        bool, typer.Option("--record", help="Keep in papers/verified.json which losses held.")
    ] = False,
    device: Annotated[str, typer.Option(help="Where to compute: cpu, cuda.")] = "cpu",
) -> None:
    """Hold losses to the whole contract, wherever they live; exit code 1 if one breaks a law."""
    if bool(names) == everything:
        raise UserError("name the losses to test, or give --all")
    from lossatlas.contract import suite
    from lossatlas.spread import spread

    chosen = dict.fromkeys(registry.list_losses() if everything else map(suite.known, names or []))
    outcomes = []
    for one in spread(suite.test, ((name, device) for name in chosen), jobs):
        outcomes.append(one)
        print("\n".join([*one.broken, one.summary]), flush=True)
    for ledger, verified in suite.record(outcomes).items() if record else ():
        said = ", ".join(verified) if len(verified) <= 5 else f"{len(verified)} losses"
        print(f"verified in {ledger}: {said or 'none of these'}")
    if any(one.broken for one in outcomes):
        sys.exit(1)


@app.command()
def nearest(
    loss: Annotated[str, typer.Argument(help="Id, 'a + b', or a file with loss(logits, target).")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many losses to show.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Is it new? Fit every known loss to this one's gradients and show the closest."""
    from lossatlas.theory import nearest as comparison

    with contextlib.redirect_stdout(sys.stderr):  # a proposal's own prints
        answer = comparison.nearest(loss)
    if as_json:
        print(json.dumps(comparison.as_record(answer, k), indent=1))
    else:
        print(comparison.table(answer, k))


@app.command()
def card(
    names: Annotated[list[str] | None, typer.Argument(help="Ids of losses.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="The book, with its index.")] = False,
    out: Pages = Path("reports/local/cards"),
) -> None:
    """Write the one-page card of a loss, HTML and Markdown: facts, curves, verdicts, results."""
    if bool(names) == everything:
        raise UserError("name the losses to write cards of, or give --all")
    from lossatlas.report.book import build

    chosen = None if everything else list(dict.fromkeys(names or []))
    results = sorted(Path("reports").glob("*/results.csv"))
    for page in build(chosen, folder(out, "--out"), results):
        print(page)


@data_app.command()
def fetch() -> None:
    """Get CIFAR-10 if it is not there, verified against its published digests."""
    from lossatlas.data import cifar10

    print(cifar10.fetch())


@data_app.command()
def verify() -> None:
    """Recompute the digests of the six batches from the cache."""
    from lossatlas.data import cifar10

    for file, md5 in cifar10.verify():
        print(md5, file)


@app.command(context_settings=OVERRIDES | {"help_option_names": []})  # Hydra tells of them all
def train(
    context: typer.Context,
    plan: Annotated[bool, typer.Option("--plan", help="Show a sweep's runs; start none.")] = False,
    retry: Annotated[
        str | None, typer.Option(help="Make these of a sweep again: failed, diverged.")
    ] = None,
    only: Only = None,
    since: Annotated[str | None, typer.Option(help="Retry what started since: 2h, a date.")] = None,
    max_failures: Annotated[
        int | None, typer.Option(min=1, help="Stop a sweep after so many failed runs.")
    ] = None,
) -> None:
    """Train: OVERRIDES such as loss=focal seed=1; -m sweeps; --help shows all options."""
    from lossatlas.training import app as application

    states = None if retry is None else retry.split(",")
    words = application.command_line(
        context.args, plan=plan, retry=states, only=only, since=since, max_failures=max_failures
    )
    application.main(words)


@app.command(context_settings=OVERRIDES | {"help_option_names": ["-h", "--help"]})
def tune(
    context: typer.Context,
    plan: Annotated[bool, typer.Option("--plan", help="Show the cost; start nothing.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", **PATH, help="Folder of tables; else the run store."),
    ] = None,
) -> None:
    """Find a learning rate for each loss by one rule, for the runs that OVERRIDES say."""
    from lossatlas.training import app as application

    if not context.args:
        raise UserError("say what to find rates for, as in 'loss=focal recipe=quick' or sweep=NAME")
    tables = None if out is None else str(folder(out, "--out"))
    words = application.command_line(["-m", *context.args], plan=plan, rates="only", tables=tables)
    application.main(words)


@app.command()
def search(
    losses: Annotated[str, typer.Argument(metavar="LOSS[,LOSS...]", help="Ids of losses.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Of every trial: recipe=quick scenario=clean ...")
    ] = None,
    method: Annotated[str, typer.Option(help="random or grid.")] = "random",
    trials: Annotated[int, typer.Option(help="For each loss.")] = 12,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", **PATH, help="File for the sweep of chosen values."),
    ] = None,
) -> None:
    """Search learning rate and hyperparameters, with as many trials for each loss."""
    from lossatlas.training import app as application
    from lossatlas.training import search_sweep

    planned = search_sweep.plan(losses.split(","), method, trials, overrides or [], out)
    application.main(["-m", *planned.sweep])
    found = search_sweep.outcomes(planned)
    print(search_sweep.table(planned, found))
    path = search_sweep.write_sweep(planned, found)
    print(f"\nlossatlas train -m sweep={path}")


@app.command()
def work(
    sweep: Annotated[str, typer.Argument(help="Name of a sweep that was planned.")],
    path: Runs = None,
    workers: Annotated[int | None, typer.Option(min=1, help="How many at once.")] = None,
) -> None:
    """Help with a sweep that was planned here or on another machine that shares the folder."""
    from lossatlas.training.launch import join

    join(sweep, path, workers)


@runs_app.callback()
def runs(
    context: typer.Context,
    path: Runs = None,
    sweep: Annotated[str | None, typer.Option(help="The runs of this sweep.")] = None,
    state: Annotated[str | None, typer.Option(help="Only these: done, failed, ... (a,b).")] = None,
    only: Only = None,
    since: Annotated[str | None, typer.Option(help="Only started since: 2h, 3d, a date.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Keep looking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Table of runs: state, main numbers or reason; how far sweeps are and when they will end."""
    if context.invoked_subcommand is not None:
        return
    from lossatlas.results import listing, store

    def gather() -> listing.Listing:
        return listing.gather(path, sweep, state.split(",") if state else [], only, since)

    store.tell_earlier(path or store.runs_dir())
    if as_json:
        print(gather().table.to_json(orient="records", indent=1))
    elif follow:
        listing.follow(gather)
    else:
        print("\n".join(listing.lines(gather())))


@runs_app.command()
def adopt(
    context: typer.Context,
    path: Runs = None,
) -> None:
    """Keep finished runs whose loss reads differently today but does the same, under new ids."""
    from lossatlas.results import store
    from lossatlas.training.adopt import adopt as adopted

    root = _given(context, path)["path"] or store.runs_dir()
    store.check_folder(root)
    store.tell_earlier(root)
    counts: Counter[str] = Counter()
    for outcome in adopted(root.resolve()):
        counts[outcome.what.rstrip(":")] += 1
        if outcome.says:
            print(printable(str(outcome)), flush=True)
    print(", ".join(f"{counts[what]} {what}" for what in ("adopted", "refused", "unchanged")))


@runs_app.command()
def export(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(parser=_path, metavar="FILE.parquet", help="What to write.")
    ],
    path: Runs = None,
    sweep: SomeSweeps = None,
    only: Only = None,
) -> None:
    """Write the rows of runs that have ended, with their epochs and without bundles, to travel."""
    from lossatlas.report import source
    from lossatlas.results import store

    given = _given(context, path, sweep, only)
    root = given["path"] or store.runs_dir()
    store.tell_earlier(root)
    count, said = source.export(root, file, given["only"], given["sweep"])
    for line in said:
        print(printable(f"lossatlas: {line}"), file=sys.stderr)
    print(f"{count} {'row' if count == 1 else 'rows'} in {file}")


@runs_app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(parser=_path, metavar="FILE.parquet", help="Of 'runs export'.")
    ],
    path: Runs = None,
) -> None:
    """Show the rows of a file beside the runs that are here; they stand for none of these."""
    from lossatlas.results import store, travel

    root = folder(_given(context, path)["path"] or store.runs_dir(), "--runs")
    new, known = travel.bring(root, file)
    print(f"{new} imported, {known} there already")


def _given(
    context: typer.Context, path: Path | None, sweep: str | None = None, only: str | None = None
) -> dict[str, Any]:
    """The options of a subcommand of `runs`, wherever they stand on the line."""
    assert context.parent is not None
    before = context.parent.params
    own = {"path": path, "sweep": sweep, "only": only}
    taken = {parameter.name for parameter in context.command.params}
    for parameter in context.parent.command.params:
        if before.get(parameter.name) and parameter.name not in taken:
            raise UserError(f"{parameter.opts[0]} is no option of 'runs {context.info_name}'")
    return {key: value if value is not None else before[key] for key, value in own.items()}


@app.command()
def report(
    path: Runs = None,
    out: Pages = Path("reports/local/report"),
    only: Only = None,
    sweep: SomeSweeps = None,
    metric: Annotated[str | None, typer.Option(help="Compare by it, such as nll, ece.")] = None,
    baseline: Annotated[str | None, typer.Option(help="The loss to compare with.")] = None,
    compare: Annotated[str | None, typer.Option(help="Two losses besides: A,B.")] = None,
    check: Annotated[
        list[Path] | None,
        typer.Option(**PATH, help="Other runs: do the statements hold there? May be repeated."),
    ] = None,
    rows: Annotated[
        Path | None, typer.Option(**PATH, help="A file of rows, instead of --runs.")
    ] = None,
) -> None:
    """Write REPORT.md and a self-contained index.html from the runs."""
    from lossatlas import resources
    from lossatlas.report.build import build
    from lossatlas.results import store
    from lossatlas.results.travel import check_name

    tuned = resources.folder("conf") / "tuned"
    tables = tuned if tuned.is_dir() else None
    if rows is not None:
        if path is not None:
            raise UserError("--rows takes the place of --runs; give one of them")
        if rows.is_dir():
            raise UserError(f"{rows}: is a folder, which belongs to --runs")
        check_name(rows)
    runs = rows or path or store.runs_dir()
    store.tell_earlier(runs)
    pages = folder(out, "--out")
    built = build(runs, pages, tables, only, sweep, metric, baseline, compare, check or ())
    print(built.page)
    from lossatlas.report.sentences import beside

    for name, told in built.repeated.items():
        for one in told:
            print(f"{name}: {beside(one)}")
    if any(one.outcome == "turned over" for told in built.repeated.values() for one in told):
        raise typer.Exit(1)


@app.command()
def lecture(
    out: Pages = Path("reports/local/lecture"),
) -> None:
    """Check the statements of the course on K-class losses and write them up as a chapter."""
    from lossatlas.lecture.chapter import build

    chapter = build(folder(out, "--out"))
    print(chapter.page)
    for line in chapter.failures:
        print(f"fails: {line}", file=sys.stderr)
    if chapter.failures:
        raise typer.Exit(1)


@app.command()
def pages(
    path: Annotated[
        Path, typer.Argument(parser=_path, metavar="FOLDER", help="Folder of such folders.")
    ] = Path("reports/local"),
) -> None:
    """List the reports, the book and the lecture that a folder holds on a page of its own."""
    from lossatlas.pages.whole import build

    print(build(folder(path, "FOLDER")))
