import { Command, Option } from "commander";
import { bytes, note, say, sayJson } from "../terminal.ts";

interface Flags {
  readonly format: "onnx";
  readonly out: string;
  readonly dtype: "fp32" | "fp16";
  readonly json?: boolean;
}

/** `kd export DIR --format onnx --out DIR`: for where it will run. */
export function exportCommand(): Command {
  return new Command("export")
    .description("write a LLaVA folder as what transformers.js loads and answers from, in Node and in browsers")
    .argument("<dir>", "folder of a Hugging Face LLaVA model; kd convert makes one of other layouts")
    .addOption(new Option("--format <name>", "what to write").choices(["onnx"]).makeOptionMandatory())
    .requiredOption("--out <dir>", "the new folder; it must not exist")
    .addOption(new Option("--dtype <type>", "type of the matrices").choices(["fp32", "fp16"]).default("fp32"))
    .option("--json", "one JSON object: out, format, dtype, files")
    .addHelpText("after", "\nExamples:\n  kd export run/student --format onnx --out web --dtype fp16")
    .action(async (folder: string, { format, out, dtype, json }: Flags) => {
      const { exportOnnx } = await import("@kd/onnx-export/node");
      const { resolveFolder } = await import("../resolve-folder.ts");
      const files = await exportOnnx(await resolveFolder(folder), out, { dtype });
      if (json) return void sayJson({ out, format, dtype, files });
      for (const { name, bytes: size } of files) note(`${name}  ${bytes(size)}`);
      say(out);
    });
}
