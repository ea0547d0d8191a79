import { join } from "node:path";
import { KdError } from "@kd/contract";
import { type LlavaConfig, llavaShapes, visualTokens } from "@kd/mllm";
import { openLlava } from "@kd/mllm/node";
import { openWeights, type Weights } from "@kd/safetensors/node";
import { parseSlmConfig, type SlmConfig, slmShapes } from "@kd/slm";
import { parseVisionConfig, type VisionConfig, visionShapes } from "@kd/vision-encoder";
import { isLlava } from "./open-model.ts";

type Json = Readonly<Record<string, unknown>>;

/** Tensors by name, not read. */
export type Tensors = Weights["tensors"];

/** What a model folder is; `tinyllava` in one checkpoint or in parts; `unknown` where this version reads no such model. */
export type Layout =
  | "llava"
  | "tinyllava"
  | "tinyllava-parts"
  | "language-model"
  | "vision-tower"
  | "peft-adapter"
  | "unknown";

/** What a model folder says of its model. */
export interface ModelLayout {
  readonly layout: Layout;
  readonly sizes: Readonly<Record<string, unknown>>;
  readonly image: {
    readonly size: number;
    /** Of a picture, or of each of its tiles. */
    readonly visual_tokens: number;
    readonly image_token: number;
    /** LLaVA-NeXT's grids, `[height, width]` in pixels. */
    readonly grids?: readonly (readonly number[])[];
  } | null;
  /** Under the names that they have in memory. */
  readonly tensors: Tensors;
  /** Every tensor that the model reads; absent for an unknown one. */
  readonly shapes?: ReadonlyMap<string, readonly number[]>;
}

/** Recognises a folder and opens its weights; what is wrong goes to `findings`. */
export async function readLayout(folder: string, config: Json, findings: string[]): Promise<ModelLayout> {
  try {
    return await recognise(folder, config);
  } catch (error) {
    if (!KdError.is(error)) throw error;
    findings.push(error.message.replaceAll(/\s*\n\s*/g, " "));
  }
  const tensors = await openWeights(folder).then(
    (weights) => weights.tensors,
    () => new Map() as Tensors,
  );
  return { layout: "unknown", sizes: {}, image: null, tensors };
}

async function recognise(folder: string, config: Json): Promise<ModelLayout> {
  const file = join(folder, "config.json");
  const type = String(config.model_type ?? "none");
  if (isLlava(config)) {
    const { layout, config: llava, parts } = await openLlava(folder, { tiles: true });
    const named = parts.flatMap(({ weights, rename }) =>
      [...weights.tensors].map(([name, tensor]) => [rename(name), tensor] as const),
    );
    return {
      layout,
      sizes: llavaSizes(llava),
      image: imageOf(llava),
      tensors: new Map(named),
      shapes: llavaShapes(llava),
    };
  }
  const { tensors } = await openWeights(folder);
  if (/^(siglip|clip)/.test(type)) {
    const tower = parseVisionConfig(config.vision_config ?? config, file);
    return {
      layout: "vision-tower",
      sizes: towerSizes(tower),
      image: null,
      tensors,
      shapes: visionShapes(tower, "vision_model."),
    };
  }
  if (type === "qwen2" || type === "llama") {
    const model = parseSlmConfig(config, file);
    return { layout: "language-model", sizes: textSizes(model), image: null, tensors, shapes: slmShapes(model, "") };
  }
  throw new KdError("KD_CONFIG", `${file}: model_type ${type} is none that this version reads`);
}

const imageOf = (config: LlavaConfig): NonNullable<ModelLayout["image"]> => ({
  size: config.vision_config.image_size,
  visual_tokens: visualTokens(config),
  image_token: config.image_token_index,
  ...(config.image_grid_pinpoints === undefined ? {} : { grids: config.image_grid_pinpoints }),
});

const llavaSizes = ({
  text_config,
  vision_config,
  vision_feature_layer,
  vision_feature_select_strategy,
}: LlavaConfig) => ({
  ...textSizes(text_config),
  ...towerSizes(vision_config),
  vision_feature_layer,
  vision_feature_select_strategy,
});

const textSizes = (c: SlmConfig) => ({
  decoder: c.model_type,
  layers: c.num_hidden_layers,
  width: c.hidden_size,
  heads: c.num_attention_heads,
  key_value_heads: c.num_key_value_heads,
  vocab_size: c.vocab_size,
  tied_head: c.tie_word_embeddings,
});

const towerSizes = (c: VisionConfig) => ({
  tower: c.model_type,
  vision_layers: c.num_hidden_layers,
  vision_width: c.hidden_size,
  patch_size: c.patch_size,
  image_size: c.image_size,
});
