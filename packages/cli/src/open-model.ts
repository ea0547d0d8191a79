import { join } from "node:path";
import { KdError } from "@kd/contract";
import { checkVocabulary } from "@kd/data";
import type { Llava } from "@kd/mllm";
import { checkTokenizer, loadLlava, openLlava as recognise } from "@kd/mllm/node";
import type { SlmConfig } from "@kd/slm";
import { loadSlm } from "@kd/slm/node";
import type { HalfFormat, Params } from "@kd/tensor-core";
import { adapted, adaptedLlava, withBase } from "./adapter.ts";
import { type ImageProcessor, openImageProcessor } from "./image-processor.ts";
import { readJson } from "./json-file.ts";
import { readTextFiles, type TextFiles } from "./text-files.ts";

/** A model folder, opened. */
export interface OpenModel {
  readonly folder: string;
  readonly text: TextFiles;
  readonly config: SlmConfig;
  readonly params: Params;
  /** Absent for a language model alone. */
  readonly vision?: { readonly model: Llava; readonly processor: ImageProcessor };
}

/**
 * A LLaVA folder of any layout, a language model's, or an id of the hub; with a PEFT adapter merged where one is given or is what the folder
 * holds. Throws `KD_CONFIG`, `KD_WEIGHTS`, `KD_SAFETENSORS` or `KD_DATA` with the file's name.
 */
export async function openModel(
  folderOrId: string,
  options: { readonly adapter?: string | undefined } = {},
): Promise<OpenModel> {
  const { folder, adapter } = await withBase(folderOrId, options.adapter);
  const raw = await readJson(join(folder, "config.json"));
  const text = await readTextFiles(folder);
  if (!isLlava(raw)) {
    const model = await loadSlm(folder, { prefix: "language_model." });
    checkIds(text, model.config);
    return { folder, text, ...(adapter === undefined ? model : await adapted(model, adapter)) };
  }
  const { model: base, processor } = await openLlava(folder, { tiles: true });
  await checkTokenizer(folder, base.config);
  const model = adapter === undefined ? base : await adaptedLlava(base, adapter);
  return { folder, text, config: model.config.text_config, params: model.params, vision: { model, processor } };
}

/** Whether a `config.json` is a LLaVA's, of Hugging Face's or TinyLLaVA's layout; a whole SigLIP or CLIP has a `vision_config`, too. */
export function isLlava({ model_type: type, vision_config }: Readonly<Record<string, unknown>>): boolean {
  return type === "tinyllava" || (vision_config !== undefined && type !== "siglip" && type !== "clip");
}

/** The model of a LLaVA folder with its processor; `keep` and `tiles` as `loadLlava`. */
export async function openLlava(
  folder: string,
  { keep = "float32", tiles = false }: { readonly keep?: "float32" | HalfFormat; readonly tiles?: boolean } = {},
): Promise<{ readonly model: Llava; readonly processor: ImageProcessor }> {
  const processor = await openImageProcessor(folder, (await recognise(folder, { tiles })).config);
  return { model: await loadLlava(folder, { processor: processor.name, keep, tiles }), processor };
}

/** A tokenizer with more ids than the embedding has rows is another model's. */
function checkIds({ folder, tokenizer }: TextFiles, { vocab_size: vocabSize }: SlmConfig): void {
  try {
    checkVocabulary({ tokenizerSize: tokenizer.size, vocabSize });
  } catch (cause) {
    if (!KdError.is(cause)) throw cause;
    throw new KdError(cause.code, `${join(folder, "tokenizer.json")}: ${cause.message}`, { cause });
  }
}
