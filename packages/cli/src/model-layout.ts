import { KdError } from "@kd/contract";
import { llavaShapes, parseLlavaConfig } from "@kd/mllm";
import { parseSlmConfig, slmShapes } from "@kd/slm";
import { parseSiglipConfig, siglipShapes } from "@kd/vision-encoder";
import { visualTokens } from "./image-processor.ts";

type Json = Readonly<Record<string, unknown>>;

/** `llava`, `language-model` or `vision-tower`; `unknown` where this version reads no such model. */
export type Layout = "llava" | "language-model" | "vision-tower" | "unknown";

/** What a `config.json` says of a model. */
export interface ModelLayout {
  readonly layout: Layout;
  readonly sizes: Readonly<Record<string, number | string | boolean>>;
  readonly image: { readonly size: number; readonly visual_tokens: number; readonly image_token: number } | null;
  /** Every tensor that the model reads; absent for an unknown one. */
  readonly shapes?: ReadonlyMap<string, readonly number[]>;
}

/** Reads a configuration; what is wrong with it goes to `findings`. */
export function understandConfig(config: Json, where: string, findings: string[]): ModelLayout {
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
    if (config.model_type === "qwen2" || config.model_type === "llama") {
      const model = parseSlmConfig(config, where);
      return { layout: "language-model", shapes: slmShapes(model, ""), sizes: textSizes(model), image: null };
    }
    findings.push(`model_type ${JSON.stringify(config.model_type ?? null)} is none that this version reads`);
  } catch (error) {
    if (!KdError.is(error)) throw error;
    findings.push(error.message.replaceAll(/\s*\n\s*/g, " "));
  }
  return { layout: "unknown", sizes: {}, image: null };
}

const textSizes = (c: ReturnType<typeof parseSlmConfig>) => ({
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
export function plainName(name: string, layout: Layout): string {
  if (layout !== "llava") return name;
  if (name === "lm_head.weight") return `language_model.${name}`;
  if (name.startsWith("model.language_model.")) return name.replace("model.language_model.", "language_model.model.");
  return name.replace(/^model\.(vision_tower|multi_modal_projector)\./, "$1.");
}
