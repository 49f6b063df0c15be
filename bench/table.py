"""The table of a run, as Markdown that also reads well in a terminal."""

import statistics

COLUMNS = ["case", "CPU-s", "gateway", "agents", "floor", "x floor", "target", "p50 ms", "p99 ms",
           "gateway MiB", "agent MiB", "syncs/op", "written/stored", "errors"]


def show(value, digits):
    return "" if value is None else f"{value:.{digits}f}"


def floor_of(case, report):
    if not case.floor or not report["floors"]:
        return None
    return statistics.median(floor[case.floor]["cpu_s_per_gib"] for floor in report["floors"])


def verdict(case, numbers):
    """The target, with a cross when it is missed."""
    if not case.target:
        return ""
    name = "front_rss_mib" if case.of_memory else "ratio" if case.floor else "cpu"
    value = numbers.get(name)
    return case.target + ("" if value is not None and value <= case.limit else " (missed)")


def row(case, numbers, report):
    unit = "/GiB" if case.per == "GiB" else "/1000"
    return [case.name, show(numbers["cpu"], 3) + unit, show(numbers["front_cpu"], 3),
            show(numbers["back_cpu"], 3), show(floor_of(case, report), 3), show(numbers.get("ratio"), 2),
            verdict(case, numbers), show(numbers["p50_ms"], 2), show(numbers["p99_ms"], 2),
            show(numbers["front_rss_mib"], 0), show(numbers["back_rss_mib"], 0),
            show(numbers["syncs_per_op"], 2), show(numbers["written_per_byte"], 2), str(numbers["errors"])]


def lines_of(rows):
    """A table, of which the first row is the head."""
    widths = [max(len(line[i]) for line in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |"
             for line in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return lines


def markdown(plan, report):
    lines = lines_of([COLUMNS] + [row(case, report["cases"][case.name], report) for case in plan])
    facts = [f"- machine: {report['machine']}; {report['filesystem']}; "
             f"load average {report['load_average']:.1f} at the end",
             f"- date: {report['date']}", f"- command: `{report['command']}`",
             f"- {report['rounds']} rounds, medians; idle, all server processes take "
             f"{report['idle_cpu_percent']:.1f} % of one processor"]
    return "\n".join(facts + [""] + lines)


def markers(name):
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def put_into(path, text, name):
    """Replaces what stands between the markers `name` of the file; all else in it stays."""
    begin, end = markers(name)
    old = path.read_text(encoding="utf-8") if path.exists() else f"# Benchmarks\n\n{begin}\n{end}\n"
    if begin not in old or end not in old:
        raise SystemExit(f"bench: {path} has no lines {begin} and {end}")
    head, tail = old.split(begin)[0], old.split(end)[1]
    path.write_text(f"{head}{begin}\n{text}\n{end}{tail}", encoding="utf-8")
