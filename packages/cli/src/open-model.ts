import { join } from "node:path";
import { KdError } from "@kd/contract";
import type { Llava } from "@kd/mllm";
import { loadLlava, openLlava as recognise, resolveModelFolder } from "@kd/mllm/node";
import type { SlmConfig } from "@kd/slm";
import { loadSlm } from "@kd/slm/node";
import type { HalfFormat, Params } from "@kd/tensor-core";
import { type ImageProcessor, openImageProcessor } from "./image-processor.ts";
import { readJson } from "./json-file.ts";
import { readTextFiles, type TextFiles, tokensById } from "./text-files.ts";

/** A model folder, opened. */
export interface OpenModel {
  readonly folder: string;
  readonly text: TextFiles;
  readonly config: SlmConfig;
  readonly params: Params;
  /** Absent for a language model alone. */
  readonly vision?: { readonly model: Llava; readonly processor: ImageProcessor };
}

/** A LLaVA folder, a language model's, or an id of the hub. Throws `KD_CONFIG`, `KD_WEIGHTS`, `KD_SAFETENSORS` or `KD_DATA` with the file's name. */
export async function openModel(folderOrId: string): Promise<OpenModel> {
  const folder = await resolveModelFolder(folderOrId);
  const raw = await readJson(join(folder, "config.json"));
  const text = await readTextFiles(folder);
  if (raw.vision_config === undefined)
    return { folder, text, ...(await loadSlm(folder, { prefix: "language_model." })) };
  const vision = await openLlava(folder);
  checkTokenizer(text, vision.model.config.text_config, folder);
  return { folder, text, config: vision.model.config.text_config, params: vision.model.params, vision };
}

/** The model of a LLaVA folder with its processor; `keep` as `loadLlava`. */
export async function openLlava(
  folder: string,
  { keep = "float32" }: { readonly keep?: "float32" | HalfFormat } = {},
): Promise<{ readonly model: Llava; readonly processor: ImageProcessor }> {
  const processor = await openImageProcessor(folder, (await recognise(folder)).config);
  return { model: await loadLlava(folder, { processor: processor.name, keep }), processor };
}

/** A tokenizer with more ids than the embedding has rows is another model's. */
function checkTokenizer({ tokenizerJson }: TextFiles, { vocab_size: rows }: SlmConfig, folder: string): void {
  const largest = [...tokensById(tokenizerJson).keys()].reduce((a, b) => Math.max(a, b), -1);
  if (largest >= rows)
    throw new KdError(
      "KD_CONFIG",
      `${join(folder, "tokenizer.json")}: expected ids below ${rows}, the rows of the embedding, got ${largest}; use this model's own tokenizer`,
    );
}
