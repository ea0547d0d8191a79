import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type StoredTensor, toFloat32 } from "@kd/safetensors";
import { readSafetensors } from "@kd/safetensors/node";

const MODELS = fileURLToPath(new URL("../../../goldens/data/models", import.meta.url));

/** LLaVA-NeXT, its pictures and reference numbers. */
export const TILES = fileURLToPath(new URL("../../../goldens/data/tiles", import.meta.url));

/** Copies a golden model to `<home>/<name>` with what it lacks: a tokenizer of one word an id (`w0`, `w1`, …), a chat template, a processor. */
export async function goldenFolder(home: string, name: string, more: object = {}, from = MODELS): Promise<string> {
  const folder = join(home, name);
  await cp(join(from, name), folder, { recursive: true });
  const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
  const rows = config.text_config?.vocab_size ?? config.vocab_size;
  const given = config.image_token_index;
  // TinyLLaVA's −200 is no row: the tokenizer's <image> is, as in the same model of Hugging Face's layout
  const image =
    given < 0 ? JSON.parse(await readFile(join(MODELS, "llava_default/config.json"), "utf8")).image_token_index : given;
  const words = Array.from({ length: rows }, (_, id) => (id === image ? "<image>" : `w${id}`));
  const special = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const tokenizer = {
    version: "1.0",
    added_tokens: image > 0 ? [{ id: image, content: "<image>", ...special }] : [],
    normalizer: null,
    pre_tokenizer: { type: "WhitespaceSplit" },
    post_processor: null,
    decoder: null,
    model: { type: "WordLevel", unk_token: "w0", vocab: Object.fromEntries(words.map((word, id) => [word, id])) },
  };
  await writeFile(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
  await writeFile(join(folder, "tokenizer_config.json"), JSON.stringify(more));
  return folder;
}

/** Reference numbers of a golden model. */
export const expectedOf = (name: string) => expectedIn(join(MODELS, "expected", `${name}.safetensors`));

/** Reference numbers in a file. */
export async function expectedIn(file: string): Promise<(key: string) => number[]> {
  const { tensors } = await readSafetensors(file);
  return (key) => {
    const { dtype, data } = tensors.get(key) as StoredTensor;
    return dtype === "I32"
      ? [...new Int32Array(data.slice().buffer)]
      : [...toFloat32(tensors.get(key) as StoredTensor)];
  };
}

/** Ids as words of that tokenizer. */
export const wordsOf = (ids: readonly number[]): string => ids.map((id) => `w${id}`).join(" ");
