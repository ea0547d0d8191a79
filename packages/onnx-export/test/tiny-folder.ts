import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const goldens: string = join(
  process.env.KD_GOLDENS ?? join(import.meta.dirname, "../../../goldens/data"),
  "models",
);

type Json = Record<string, unknown>;

/** A golden model's folder with what it lacks: a tokenizer of one word an id, and the tower's processor. */
export function tinyFolder(name: string, folder: string): string {
  cpSync(join(goldens, name), folder, { recursive: true });
  const config = readJson(folder, "config.json") as { image_token_index: number } & Record<
    "text_config" | "vision_config",
    Json
  >;
  const words = Array.from({ length: config.text_config.vocab_size as number }, (_, id) => `w${id}`);
  const image = config.image_token_index < 0 ? 93 : config.image_token_index; // TinyLLaVA's is no row: the tokenizer's counts
  words[image] = "<image>";
  const side = config.vision_config.image_size as number;
  writeJson(folder, "tokenizer.json", {
    added_tokens: [{ id: image, content: "<image>", special: true }],
    model: { type: "WordLevel", vocab: Object.fromEntries(words.map((word, id) => [word, id])), unk_token: "w0" },
  });
  writeJson(folder, "tokenizer_config.json", { tokenizer_class: "PreTrainedTokenizerFast" });
  writeJson(folder, "preprocessor_config.json", {
    ...(config.vision_config.model_type === "clip_vision_model"
      ? { image_processor_type: "CLIPImageProcessor", size: { shortest_edge: side }, crop_size: side }
      : { image_processor_type: "SiglipImageProcessorFast", size: { height: side, width: side } }),
  });
  return folder;
}

export const readJson = (folder: string, file: string): Json => JSON.parse(readFileSync(join(folder, file), "utf8"));

const writeJson = (folder: string, file: string, value: unknown): void =>
  writeFileSync(join(folder, file), JSON.stringify(value));

/** Changes one file of a folder. */
export const editJson = (folder: string, file: string, change: (value: Json) => unknown): void =>
  writeJson(folder, file, change(readJson(folder, file)));
