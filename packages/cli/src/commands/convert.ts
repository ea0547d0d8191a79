import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Command, Option } from "commander";
import { type EngineFlags, startEngine, withEngine } from "../engine.ts";
import { note, say, sayJson } from "../terminal.ts";

interface Flags extends EngineFlags {
  readonly out: string;
  readonly dtype: "f32" | "f16" | "bf16";
  readonly json?: boolean;
}

/** What a model folder holds beside weights and configuration. */
const TEXT_FILES =
  /^(tokenizer.*|special_tokens_map|added_tokens|vocab|merges|chat_template|generation_config|preprocessor_config|processor_config|README|LICENSE)\.(json|txt|jinja|model|md)$/;

/** `kd convert DIR --out DIR`: any folder that can be read becomes a Hugging Face LLaVA folder. */
export function convertCommand(): Command {
  return withEngine(new Command("convert"))
    .description("write a model that can be read as a Hugging Face LLaVA folder")
    .argument("<dir>", "folder of a LLaVA model")
    .requiredOption("--out <dir>", "the new folder; it must not exist")
    .addOption(new Option("--dtype <type>", "type of the weights").choices(["f32", "f16", "bf16"]).default("f32"))
    .option("--json", "one JSON object: out, dtype, tensors, files")
    .addHelpText("after", "\nExamples:\n  kd convert llava-folder --out half --dtype bf16")
    .action(async (folderOrId: string, flags: Flags) => {
      const { out, dtype, json } = flags;
      await startEngine(flags);
      const { openLlava } = await import("../open-model.ts");
      const { resolveModelFolder, saveLlava } = await import("@kd/mllm/node");
      const folder = await resolveModelFolder(folderOrId);
      const { model } = await openLlava(folder);
      const names = (await readdir(folder)).filter((name) => TEXT_FILES.test(name));
      const files = Object.fromEntries(
        await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const)),
      );
      await saveLlava(model, out, { files, dtype: dtype.toUpperCase() as "F32" | "F16" | "BF16" });
      if (json) return void sayJson({ out, dtype, tensors: model.params.size, files: names });
      note(`${model.params.size} tensors in ${dtype}`);
      say(out);
    });
}
