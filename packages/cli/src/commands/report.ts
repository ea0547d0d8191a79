import { Command } from "commander";
import { say, sayJson } from "../terminal.ts";

/** `kd report RUN...`: the page of a run, or of several beside each other. */
export function reportCommand(): Command {
  return new Command("report")
    .description(
      "write a page about a run, or compare several: curves, scores, configurations; one file that needs no network",
    )
    .argument("<run...>", "folders of runs, also of those that are still going on")
    .option("--out <file>", "the page; report.html in the run's folder, comparison.html here for several")
    .option("--json", "one JSON object: out, runs")
    .addHelpText("after", "\nExamples:\n  kd report runs/first\n  kd report runs/first runs/control --out compare.html")
    .action(async (runs: string[], { out, json }: { readonly out?: string; readonly json?: boolean }) => {
      const { writeReport } = await import("../write-report.ts");
      const path = await writeReport(runs, out);
      if (json) sayJson({ out: path, runs });
      else say(path);
    });
}
