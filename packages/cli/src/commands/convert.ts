import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command, Option } from "commander";
import { type EngineFlags, startEngine, withEngine } from "../engine.ts";
import { note, say, sayJson } from "../terminal.ts";
import { adapterOption } from "./generate.ts";

interface Flags extends EngineFlags {
  readonly out: string;
  readonly dtype: "f32" | "f16" | "bf16";
  readonly adapter?: string;
  readonly json?: boolean;
}

/** What a model folder holds beside weights and configuration. */
const TEXT_FILES =
  /^(tokenizer.*|special_tokens_map|added_tokens|vocab|merges|chat_template|generation_config|preprocessor_config|processor_config|README|LICENSE)\.(json|txt|jinja|model|md)$/;

/** `kd convert DIR --out DIR`: any folder that can be read becomes a Hugging Face folder. */
export function convertCommand(): Command {
  return withEngine(new Command("convert"))
    .description("write a model that can be read as a Hugging Face folder, with its adapter merged where it has one")
    .argument("<dir>", "folder of a LLaVA model of any layout, of a language model, or of a PEFT adapter on one")
    .requiredOption("--out <dir>", "the new folder; it must not exist")
    .addOption(new Option("--dtype <type>", "type of the weights").choices(["f32", "f16", "bf16"]).default("f32"))
    .addOption(adapterOption())
    .option("--json", "one JSON object: out, dtype, tensors, files")
    .addHelpText(
      "after",
      `
Examples:
  kd convert llava-folder --out half --dtype bf16
  kd convert Qwen2.5-0.5B --adapter lora --out merged`,
    )
    .action(async (folderOrId: string, flags: Flags) => {
      const { out, json } = flags;
      const dtype = flags.dtype.toUpperCase() as "F32" | "F16" | "BF16";
      await startEngine(flags);
      const { adapted, adaptedLlava, withBase } = await import("../adapter.ts");
      const { isLlava, openLlava } = await import("../open-model.ts");
      const { readJson } = await import("../json-file.ts");
      const { folder, adapter } = await withBase(folderOrId, flags.adapter);
      const names = (await readdir(folder)).filter((name) => TEXT_FILES.test(name));
      const files = Object.fromEntries(
        await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const)),
      );
      const report = async (tensors: number): Promise<void> => {
        if (json) return void sayJson({ out, dtype: flags.dtype, tensors, files: names });
        note(`${tensors} tensors in ${flags.dtype}`);
        say(out);
      };
      if (isLlava(await readJson(join(folder, "config.json")))) {
        const { saveLlava } = await import("@kd/mllm/node");
        const { model: base } = await openLlava(folder, { tiles: true });
        const model = adapter === undefined ? base : await adaptedLlava(base, adapter);
        await saveLlava(model, out, { files, dtype });
        return report(model.params.size);
      }
      const { loadSlm, saveSlm } = await import("@kd/slm/node");
      const base = await loadSlm(folder, { prefix: "language_model." });
      const model = adapter === undefined ? base : await adapted(base, adapter);
      await saveSlm(model, out, { dtype });
      for (const [name, contents] of Object.entries(files)) await writeFile(join(out, name), contents);
      return report(model.params.size);
    });
}
