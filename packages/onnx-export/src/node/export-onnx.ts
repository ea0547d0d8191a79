import { mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { KdError } from "@kd/contract";
import { openLlava } from "@kd/mllm/node";
import { onnxCard } from "../card.ts";
import { decoderGraph } from "../decoder-graph.ts";
import { embedGraph } from "../embed-graph.ts";
import { configJson, generationJson, preprocessorJson, processorJson, tokenizerJson } from "../folder-files.ts";
import { placesOf } from "../names.ts";
import { visionGraph } from "../vision-graph.ts";
import { weightsOf } from "../weights.ts";
import { readSource } from "./source.ts";
import { LARGEST_FILE, writeModel } from "./write-model.ts";

const DTYPES: readonly string[] = ["fp32", "fp16"];

/** Options of {@link exportOnnx}. */
export interface ExportOnnx {
  /**
   * What matrices are stored as. With `"fp16"` files are half as large and the graphs still compute in float32: each number is rounded once.
   *
   * @defaultValue "fp32"
   */
  readonly dtype?: "fp32" | "fp16";
  /**
   * A model above this many bytes keeps its weights in files beside it, each at most as large unless one tensor is larger.
   *
   * @defaultValue 2³¹ − 1, protobuf's own limit
   */
  readonly largestFile?: number;
  /**
   * Adds the input `num_logits_to_keep`, by which transformers.js 4 asks for the last position's logits alone while it generates: 4·V bytes
   * less a token of the prompt. 3.x doesn't know it and stops.
   *
   * @defaultValue false
   */
  readonly numLogitsToKeep?: boolean;
}

/** A file that was written. */
export interface ExportedFile {
  /** Path inside the folder. */
  readonly name: string;
  readonly bytes: number;
}

/**
 * Writes the folder of a LLaVA model (all that `loadLlava` of @kd/mllm takes: SigLIP or CLIP, Qwen2 or Llama) as the folder that transformers.js loads and answers from: embedding,
 * tower with projector, and decoder with key-value cache as ONNX graphs, with tokenizer and processor. It is written aside and renamed, so
 * that it is there whole or not at all. Tensors are read as they are written, one at a time.
 *
 * @param folder holds `config.json`, weights, `tokenizer.json`, `tokenizer_config.json`, `preprocessor_config.json`.
 * @throws KdError `KD_CONFIG`, `KD_WEIGHTS`, `KD_SAFETENSORS` or `KD_DATA` naming the file and its field, tensor or token; `KD_CONFIG` when
 * `out` exists.
 */
export async function exportOnnx(
  folder: string,
  out: string,
  { dtype = "fp32", largestFile = LARGEST_FILE, numLogitsToKeep = false }: ExportOnnx = {},
): Promise<ExportedFile[]> {
  if (!DTYPES.includes(dtype))
    throw new KdError("KD_CONFIG", `exportOnnx: dtype must be one of ${DTYPES.join(", ")}, got "${dtype}"`);
  if (!(Number.isInteger(largestFile) && largestFile > 0 && largestFile <= LARGEST_FILE))
    throw new KdError("KD_CONFIG", `exportOnnx: largestFile must be from 1 to ${LARGEST_FILE}, got ${largestFile}`);
  const target = resolve(out); // without a slash at its end
  if ((await stat(target).catch(() => undefined)) !== undefined)
    throw new KdError("KD_CONFIG", `exportOnnx: ${out} exists; remove it or choose another folder`);
  const source = await readSource(folder);
  const { config, parts } = await openLlava(folder);
  const json = (value: object) => `${JSON.stringify(value, null, 2)}\n`;
  const small: Record<string, string> = {
    "README.md": onnxCard(source.card, dtype),
    "preprocessor_config.json": json(preprocessorJson(source, config)),
    "processor_config.json": json(processorJson(source, config)),
    "tokenizer.json": source.tokenizerText,
    "tokenizer_config.json": json(tokenizerJson(source)),
    "generation_config.json": json(generationJson(source)),
  };
  const weights = weightsOf(placesOf(config, parts));

  const aside = `${target}.partial`;
  await rm(aside, { recursive: true, force: true });
  try {
    await mkdir(join(aside, "onnx"), { recursive: true });
    const files: ExportedFile[] = [];
    const external: Record<string, number> = {};
    for (const build of [embedGraph, visionGraph, decoderGraph]) {
      const graph = build(config, { weights, dtype }, { numLogitsToKeep });
      const file = `${graph.name}${dtype === "fp16" ? "_fp16" : ""}.onnx`;
      const written = await writeModel(join(aside, "onnx", file), graph, { largestFile });
      files.push(...written.map(({ path, bytes }) => ({ name: `onnx/${basename(path)}`, bytes })));
      if (written.length > 1) external[file] = written.length - 1;
    }
    small["config.json"] = json(configJson(source, config, { dtype, external }));
    for (const [name, text] of Object.entries(small)) {
      await writeFile(join(aside, name), text);
      files.push({ name, bytes: Buffer.byteLength(text) });
    }
    await rename(aside, target);
    return files;
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    throw error;
  }
}
