import { templates } from "@kd/data";
import { Command, Option } from "commander";
import { wholeNumber } from "../engine.ts";
import type { TemplateName } from "../prompt.ts";
import { say, sayJson } from "../terminal.ts";

interface Flags {
  readonly imageFolder?: string;
  readonly indexFolder?: string;
  readonly test?: readonly string[];
  readonly model?: string;
  readonly template?: TemplateName;
  readonly pictures: "none" | "hash" | "decode";
  readonly samples: number;
  readonly json?: boolean;
}

/** `kd data`: about data sets. */
export function dataCommand(): Command {
  return new Command("data")
    .description("look at data sets: kd data inspect")
    .addCommand(inspectCommand())
    .addHelpText("after", "\nExamples:\n  kd data inspect train.json --image-folder images");
}

/** `kd data inspect SOURCE...`: every record read once. */
function inspectCommand(): Command {
  return new Command("inspect")
    .description("read every record once: counts, lengths, bad records, duplicates, what train and test share, samples")
    .argument(
      "<source...>",
      "LLaVA's JSON, JSON lines, Parquet, or a folder of Parquet files or of pictures and captions",
    )
    .option("--image-folder <dir>", "where the pictures are; beside the data by default")
    .option("--index-folder <dir>", "where indices and unpacked data go; beside the data by default")
    .option(
      "--test <source>",
      "data that training must not have seen; again for more",
      (path: string, all: string[] = []) => [...all, path],
    )
    .option("--model <dir>", "count tokens as this model reads them: its own chat template, or --template")
    .addOption(new Option("--template <name>", "a template instead of the model's own").choices(Object.keys(templates)))
    .addOption(
      new Option("--pictures <how>", "read and compare their bytes, decode them, too, or leave them alone")
        .choices(["none", "hash", "decode"])
        .default("hash"),
    )
    .option("--samples <n>", "records of each source to show", wholeNumber, 2)
    .option("--json", "one JSON object on stdout")
    .addHelpText(
      "after",
      `
An index of JSON and Parquet is kept beside the file, FILE.kd-index, or in --index-folder; it may be deleted.

Examples:
  kd data inspect train.json --image-folder images
  kd data inspect train.json --test test.json --pictures decode
  kd data inspect captions.parquet --model Qwen2.5-0.5B --template qwen2_base --json`,
    )
    .action(async (paths: string[], flags: Flags, command: Command) => {
      if (flags.template !== undefined && flags.model === undefined)
        command.error("error: --template counts tokens of a model; give --model");
      const { inspectSources } = await import("../inspect-sources.ts");
      const { formatInspection } = await import("@kd/data");
      const inspection = await inspectSources(paths, flags);
      if (flags.json) sayJson(inspection);
      else say(formatInspection(inspection));
    });
}
