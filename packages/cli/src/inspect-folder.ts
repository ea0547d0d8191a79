import { stat } from "node:fs/promises";
import { join } from "node:path";
import { KdError } from "@kd/contract";
import { llavaShapes, parseLlavaConfig } from "@kd/mllm";
import { parseQwen2Config, qwen2Shapes } from "@kd/slm";
import { parseSiglipConfig, siglipShapes } from "@kd/vision-encoder";
import { visualTokens } from "./image-processor.ts";
import { readJson } from "./json-file.ts";
import { storedTensors, type TensorEntry } from "./stored-tensors.ts";
import { readTextFiles, tokensById } from "./text-files.ts";

type Json = Readonly<Record<string, unknown>>;

/** What a model folder holds; plain data. */
export interface Inspection {
  readonly folder: string;
  /** `llava`, `language-model` or `vision-tower`, by what `config.json` says; `unknown` where this version reads no such model. */
  readonly layout: "llava" | "language-model" | "vision-tower" | "unknown";
  readonly model_type: string;
  readonly parts: readonly {
    readonly name: string;
    readonly tensors: number;
    readonly parameters: number;
    readonly bytes: number;
    readonly dtypes: readonly string[];
  }[];
  readonly sizes: Readonly<Record<string, number | string | boolean>>;
  readonly tokenizer: {
    readonly tokens: number;
    readonly chat_template: boolean;
    readonly eos_token_ids: readonly number[];
  } | null;
  readonly image: { readonly size: number; readonly visual_tokens: number; readonly image_token: number } | null;
  /** What is missing, too much or does not fit; empty for a sound folder. */
  readonly findings: readonly string[];
}

/** Reads a model folder without its weights. */
export async function inspectFolder(folder: string): Promise<Inspection> {
  if (!(await stat(folder).catch(() => undefined))?.isDirectory())
    throw new KdError("KD_CONFIG", `${folder}: expected a model folder, got none; check the path`);
  const config = await readJson(join(folder, "config.json"));
  const tensors = await storedTensors(folder);
  const findings: string[] = [];
  const { layout, shapes, sizes, image } = understand(config, join(folder, "config.json"), findings);
  if (tensors.size === 0) findings.push("no .safetensors file");
  else if (shapes !== undefined) findings.push(...compare(tensors, shapes, layout));
  return {
    folder,
    layout,
    model_type: String(config.model_type ?? "none"),
    parts: partsOf(tensors, layout),
    sizes,
    tokenizer: await inspectTokenizer(folder, layout, sizes.vocab_size as number | undefined, findings),
    image,
    findings,
  };
}

interface Understood extends Pick<Inspection, "layout" | "sizes" | "image"> {
  readonly shapes?: ReadonlyMap<string, readonly number[]>;
}

function understand(config: Json, where: string, findings: string[]): Understood {
  try {
    if (config.vision_config !== undefined && config.text_config !== undefined && config.model_type !== "siglip") {
      const llava = parseLlavaConfig(config, where);
      const { vision_feature_layer, vision_feature_select_strategy, image_token_index } = llava;
      const image = {
        size: llava.vision_config.image_size,
        visual_tokens: visualTokens(llava),
        image_token: image_token_index,
      };
      const sizes = {
        ...textSizes(llava.text_config),
        ...towerSizes(llava.vision_config),
        vision_feature_layer,
        vision_feature_select_strategy,
      };
      return { layout: "llava", shapes: llavaShapes(llava), sizes, image };
    }
    if (String(config.model_type).startsWith("siglip")) {
      const tower = parseSiglipConfig(config.vision_config ?? config, where);
      return {
        layout: "vision-tower",
        shapes: siglipShapes(tower, "vision_model."),
        sizes: towerSizes(tower),
        image: null,
      };
    }
    if (config.model_type === "qwen2") {
      const model = parseQwen2Config(config, where);
      return { layout: "language-model", shapes: qwen2Shapes(model, ""), sizes: textSizes(model), image: null };
    }
    findings.push(`model_type ${JSON.stringify(config.model_type ?? null)} is none that this version reads`);
  } catch (error) {
    if (!KdError.is(error)) throw error;
    findings.push(error.message.replaceAll(/\s*\n\s*/g, " "));
  }
  return { layout: "unknown", sizes: {}, image: null };
}

const textSizes = (c: ReturnType<typeof parseQwen2Config>) => ({
  layers: c.num_hidden_layers,
  width: c.hidden_size,
  heads: c.num_attention_heads,
  key_value_heads: c.num_key_value_heads,
  vocab_size: c.vocab_size,
  tied_head: c.tie_word_embeddings,
});
const towerSizes = (c: ReturnType<typeof parseSiglipConfig>) => ({
  vision_layers: c.num_hidden_layers,
  vision_width: c.hidden_size,
  patch_size: c.patch_size,
  image_size: c.image_size,
});

/** As transformers ≥ 4.52 calls it → as older versions do and as the shapes are named. */
function plainName(name: string, layout: Inspection["layout"]): string {
  if (layout !== "llava") return name;
  if (name === "lm_head.weight") return `language_model.${name}`;
  if (name.startsWith("model.language_model.")) return name.replace("model.language_model.", "language_model.model.");
  return name.replace(/^model\.(vision_tower|multi_modal_projector)\./, "$1.");
}

const UNREAD = /vision_model\.head\.|position_ids$|lm_head\.weight$|^text_model\.|^logit_(scale|bias)$/;
const SHOWN = 5;

function compare(
  tensors: ReadonlyMap<string, TensorEntry>,
  shapes: ReadonlyMap<string, readonly number[]>,
  layout: Inspection["layout"],
): string[] {
  const held = new Map([...tensors].map(([name, entry]) => [plainName(name, layout), entry]));
  const listed = (what: string, names: readonly string[]): string[] =>
    names.length === 0
      ? []
      : [`${names.length} ${what}: ${names.slice(0, SHOWN).join(", ")}${names.length > SHOWN ? ", …" : ""}`];
  const missing = [...shapes.keys()].filter((name) => !held.has(name));
  const extra = [...held.keys()].filter((name) => !shapes.has(name) && !UNREAD.test(name));
  const misshapen = [...shapes].flatMap(([name, shape]) => {
    const got = held.get(name)?.shape;
    return got === undefined || got.join() === shape.join() ? [] : [`${name} [${got}] instead of [${shape}]`];
  });
  return [
    ...listed("missing tensors", missing),
    ...listed("tensors of no part", extra),
    ...listed("tensors of another shape", misshapen),
  ];
}

function partsOf(tensors: ReadonlyMap<string, TensorEntry>, layout: Inspection["layout"]): Inspection["parts"] {
  const partOf = (name: string): string => {
    if (layout !== "llava") return layout === "unknown" ? (name.split(".")[0] as string) : layout.replace("-", " ");
    const plain = plainName(name, layout);
    if (plain.startsWith("vision_tower.")) return "vision tower";
    return plain.startsWith("multi_modal_projector.") ? "projector" : "language model";
  };
  const parts = new Map<string, { tensors: number; parameters: number; bytes: number; dtypes: Set<string> }>();
  for (const [name, { dtype, shape, bytes }] of tensors) {
    const part = parts.get(partOf(name)) ?? { tensors: 0, parameters: 0, bytes: 0, dtypes: new Set<string>() };
    part.tensors++;
    part.parameters += shape.reduce((product, size) => product * size, 1);
    part.bytes += bytes;
    parts.set(partOf(name), { ...part, dtypes: part.dtypes.add(dtype) });
  }
  return [...parts].map(([name, part]) => ({ name, ...part, dtypes: [...part.dtypes].sort() }));
}

async function inspectTokenizer(
  folder: string,
  layout: Inspection["layout"],
  vocabulary: number | undefined,
  findings: string[],
): Promise<Inspection["tokenizer"]> {
  if (layout === "vision-tower") return null;
  try {
    const { tokenizerJson, chatTemplate, eosTokenIds } = await readTextFiles(folder);
    const tokens = tokensById(tokenizerJson);
    const beyond = [...tokens.keys()].filter((id) => vocabulary !== undefined && id >= vocabulary);
    if (beyond.length > 0)
      findings.push(`the tokenizer has ${beyond.length} ids beyond the embedding's ${vocabulary} rows`);
    if (eosTokenIds.length === 0) findings.push("no end token: answers end at their greatest length");
    return { tokens: tokens.size, chat_template: chatTemplate !== undefined, eos_token_ids: eosTokenIds };
  } catch (error) {
    if (!KdError.is(error)) throw error;
    findings.push(error.message);
    return null;
  }
}
