import { Command } from "commander";
import type { Inspection } from "../inspect-folder.ts";
import { bytes, grouped, paint, rows, say, sayJson } from "../terminal.ts";

/** `kd inspect DIR`: what a model folder holds, without loading it. */
export function inspectCommand(): Command {
  return new Command("inspect")
    .description("say what a model folder holds: parts, sizes, types, tokenizer, pictures, and what is wrong with it")
    .argument("<dir>", "folder of a model")
    .option("--json", "one JSON object on stdout")
    .addHelpText("after", "\nExamples:\n  kd inspect run/student\n  kd inspect Qwen2.5-0.5B --json")
    .action(async (folder: string, { json }: { readonly json?: boolean }) => {
      const { inspectFolder } = await import("../inspect-folder.ts");
      const inspection = await inspectFolder(folder);
      if (json) sayJson(inspection);
      else say(describe(inspection));
    });
}

function describe({ layout, model_type, parts, sizes, tokenizer, image, findings }: Inspection): string {
  const { bold, green, yellow } = paint(process.stdout);
  const sum = (key: "parameters" | "bytes"): number => parts.reduce((total, part) => total + part[key], 0);
  return [
    rows([
      ["layout", `${bold(layout)} (model_type ${model_type})`],
      ...parts.map(
        (part) =>
          [
            part.name,
            `${grouped(part.parameters)} parameters, ${part.tensors} tensors, ${bytes(part.bytes)} ${part.dtypes.join(" ")}`,
          ] as const,
      ),
      ["together", parts.length > 1 ? `${grouped(sum("parameters"))} parameters, ${bytes(sum("bytes"))}` : undefined],
      ...Object.entries(sizes).map(
        ([name, value]) =>
          [name.replaceAll("_", " "), Array.isArray(value) ? value.join(", ") : String(value)] as const,
      ),
      [
        "tokenizer",
        tokenizer
          ? `${grouped(tokenizer.tokens)} tokens, ends at ${tokenizer.eos_token_ids.join(", ") || "none"}`
          : undefined,
      ],
      ["chat template", tokenizer ? (tokenizer.chat_template ? "yes" : "no") : undefined],
      [
        "picture",
        image
          ? `${image.size} × ${image.size}, ${image.visual_tokens} visual tokens${image.grids === undefined ? "" : ` a tile, grids of ${image.grids.map((grid) => grid.join(" × ")).join(", ")}`}, image token ${image.image_token}`
          : undefined,
      ],
    ]),
    ...(findings.length === 0
      ? [green("nothing is missing or too much")]
      : findings.map((text) => `${yellow("finding")}: ${text}`)),
  ].join("\n");
}
