import { readFile } from "node:fs/promises";
import { text as readAll } from "node:stream/consumers";
import { templates } from "@kd/data";
import { Command, Option } from "commander";
import { type DecodingFlags, decodingOf, withDecoding } from "../decoding.ts";
import { type EngineFlags, startEngine, withEngine } from "../engine.ts";
import type { TemplateName } from "../prompt.ts";
import { note, sayJson, sayPiece } from "../terminal.ts";

interface Flags extends EngineFlags, DecodingFlags {
  readonly image?: readonly string[];
  readonly prompt?: string;
  readonly promptFile?: string;
  readonly raw?: boolean;
  readonly template?: TemplateName;
  readonly adapter?: string;
  readonly json?: boolean;
}

/** `kd generate DIR`: one answer. */
export function generateCommand(): Command {
  return withEngine(withDecoding(new Command("generate"), 128))
    .description("answer one prompt, about pictures or not")
    .argument("<dir>", "folder of a LLaVA model, of a language model, or of a PEFT adapter on one")
    .option("--image <file>", "a picture; again for more", (file: string, all: string[] = []) => [...all, file])
    .option("--prompt <text>", "the question")
    .option("--prompt-file <file>", "a file that holds it, or - for stdin")
    .option(
      "--raw",
      "the prompt is whole, read as Hugging Face's tokenizer(prompt): no chat template; <image> stands for a picture",
    )
    .addOption(templateOption())
    .addOption(adapterOption())
    .option("--json", "one JSON object: prompt_ids, ids, text, tokens_per_second, finish_reason")
    .addHelpText(
      "after",
      `
Examples:
  kd generate run/student --image dog.png --prompt "what is this ?"
  kd generate Qwen2.5-0.5B --raw --prompt "The capital of France is" --max-new-tokens 8 --json
  kd generate run/student --image dog.png --prompt "describe it" --temperature 0.7 --top-p 0.9 --seed 1
  cat question.txt | kd generate run/student --image dog.png --prompt-file -`,
    )
    .action(async (folder: string, flags: Flags, command: Command) => {
      const { image: images = [], prompt, promptFile, raw, template, adapter, json } = flags;
      if ((prompt === undefined) === (promptFile === undefined))
        command.error("error: give either --prompt or --prompt-file");
      if (raw && template !== undefined) command.error("error: --raw uses no template; leave --template out");
      const content =
        prompt ?? (promptFile === "-" ? await readAll(process.stdin) : await readFile(promptFile as string, "utf8"));
      await startEngine(flags);
      const { ask, openModel, promptOf, rawPrompt, readPictures } = await import("../talk.ts");
      const model = await openModel(folder, { adapter });
      const pictures = await readPictures(model, images);
      const seeing = { ...model, imageTokens: pictures.tokens };
      const message = { role: "user", content: content.trim(), images: images.length } as const;
      const asked = raw ? rawPrompt(content, images.length, seeing) : await promptOf([message], seeing, template);
      const onText = (piece: string): void => void (json || sayPiece(piece));
      const answer = await ask(model, { prompt: asked, pictures, ...decodingOf(flags) }, { onText });
      if (json) return void sayJson(answer);
      process.stdout.write("\n");
      note(`${answer.ids.length} tokens, ${answer.tokens_per_second.toFixed(1)} a second`);
    });
}

/** `--template`, for models without a chat template of their own. */
export const templateOption = (): Option =>
  new Option("--template <name>", "a template instead of the model's own").choices(Object.keys(templates));

/** `--adapter`, for one that does not name its base, or not this one. */
export const adapterOption = (): Option =>
  new Option("--adapter <dir>", "folder of a PEFT adapter to put on the model; one given as <dir> brings its base");
