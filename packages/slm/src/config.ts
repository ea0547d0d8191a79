import { KdError } from "@kd/contract";
import { z } from "zod";
import type { LoraConfig } from "./lora/config.ts";
import { type RopeScaling, ropeOf } from "./rope-scaling.ts";
import { assertFullAttention } from "./sliding-window.ts";

/** Sizes of a decoder of the Qwen2 or Llama family, under the names of Hugging Face's `config.json`. */
export interface SlmConfig {
  /** `"qwen2"` (Qwen 1.5, 2 and 2.5) or `"llama"` (Llama 2 and 3, TinyLlama, SmolLM2). */
  readonly model_type: "qwen2" | "llama";
  /** V */
  readonly vocab_size: number;
  /** D */
  readonly hidden_size: number;
  /** Width of the gated MLP. */
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  /** H */
  readonly num_attention_heads: number;
  /** Heads of keys and values; divides H (grouped-query attention). */
  readonly num_key_value_heads: number;
  /** Width of a head; D / H unless the file says otherwise. */
  readonly head_dim: number;
  /** Longest sequence it was made for; not enforced. */
  readonly max_position_embeddings: number;
  readonly rms_norm_eps: number;
  /** Base of the rotary angles. */
  readonly rope_theta: number;
  /** How the angles are stretched; null: not at all. */
  readonly rope_scaling: RopeScaling | null;
  /** Whether q, k and v have a bias, always so in Qwen2; in Llama o has one, too. */
  readonly attention_bias: boolean;
  readonly mlp_bias: boolean;
  /** The head is the embedding. */
  readonly tie_word_embeddings: boolean;
  /** Adapters among the parameters, if any; never part of a `config.json`. */
  readonly lora?: LoraConfig;
}

/** What transformers' `Qwen2Config` and `LlamaConfig` take for what a file leaves out. */
const DEFAULTS = {
  qwen2: { vocab_size: 151936, intermediate_size: 22016, max_position_embeddings: 32768 },
  llama: { vocab_size: 32000, intermediate_size: 11008, max_position_embeddings: 2048 },
} as const;

const size = z.int().positive();

const fileSchema = z.object({
  model_type: z.enum(["qwen2", "llama"]).default("llama"),
  vocab_size: size.optional(),
  hidden_size: size.default(4096),
  intermediate_size: size.optional(),
  num_hidden_layers: size.default(32),
  num_attention_heads: size.default(32),
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  max_position_embeddings: size.optional(),
  rms_norm_eps: z.number().positive().default(1e-6),
  rope_theta: z.number().positive().nullish(),
  rope_scaling: z.unknown().optional(),
  rope_parameters: z.unknown().optional(),
  partial_rotary_factor: z.literal(1).optional(),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  tie_word_embeddings: z.boolean().default(false),
  hidden_act: z.literal("silu").default("silu"),
  use_sliding_window: z.boolean().default(false),
  sliding_window: z.int().nullish(),
  max_window_layers: z.int().nullish(),
  layer_types: z.array(z.string()).nullish(),
});

/** A `config.json` or `text_config`; without `model_type` Llama's, as in transformers' LLaVA. */
export const slmConfigSchema: z.ZodType<SlmConfig> = fileSchema.transform((file, context): SlmConfig => {
  const refuse = (path: string, message: string): void =>
    context.addIssue({ code: "custom", path: [path], message, input: file });
  const { model_type, hidden_size, num_attention_heads: heads, mlp_bias, attention_bias } = file;
  const defaults = DEFAULTS[model_type];
  const given = <T>(value: T | null | undefined, otherwise: T): T => value ?? otherwise;
  const maxPositions = given(file.max_position_embeddings, defaults.max_position_embeddings);
  const keyHeads = given(file.num_key_value_heads, model_type === "qwen2" ? Math.min(heads, 32) : heads);
  const headDim = given(file.head_dim, hidden_size / heads);
  if (!Number.isInteger(headDim)) refuse("num_attention_heads", "num_attention_heads must divide hidden_size");
  else if (headDim % 2 !== 0) refuse("head_dim", `a head's width must be even, got ${headDim}`);
  if (heads % keyHeads !== 0) refuse("num_key_value_heads", "num_key_value_heads must divide num_attention_heads");
  if (model_type === "qwen2") assertFullAttention(file, maxPositions, refuse);
  return {
    model_type,
    vocab_size: given(file.vocab_size, defaults.vocab_size),
    hidden_size,
    intermediate_size: given(file.intermediate_size, defaults.intermediate_size),
    num_hidden_layers: file.num_hidden_layers,
    num_attention_heads: heads,
    num_key_value_heads: keyHeads,
    head_dim: headDim,
    max_position_embeddings: maxPositions,
    rms_norm_eps: file.rms_norm_eps,
    ...ropeOf(file, refuse),
    attention_bias: model_type === "qwen2" || attention_bias,
    mlp_bias: model_type === "llama" && mlp_bias,
    tie_word_embeddings: file.tie_word_embeddings,
  };
});

/**
 * Reads a language model's `config.json`.
 *
 * @throws KdError `KD_CONFIG` naming the field.
 */
export function parseSlmConfig(value: unknown, where = "text_config"): SlmConfig {
  const { success, data, error } = slmConfigSchema.safeParse(value);
  if (!success) throw new KdError("KD_CONFIG", `${where}: ${z.prettifyError(error)}; correct the file`);
  return data;
}

/**
 * What transformers reads: a whole `config.json`, or LLaVA's `text_config`.
 *
 * @throws KdError `KD_CONFIG` for a model with an adapter, whose weights would be read as those of a model without.
 */
export function slmConfigJson({ lora, attention_bias, mlp_bias, ...config }: SlmConfig): Record<string, unknown> {
  if (lora !== undefined)
    throw new KdError(
      "KD_CONFIG",
      "slmConfigJson: expected a model without an adapter, got one with; save what mergeAdapter gives, or saveAdapter",
    );
  const llama = config.model_type === "llama";
  return {
    architectures: [llama ? "LlamaForCausalLM" : "Qwen2ForCausalLM"],
    hidden_act: "silu",
    ...config,
    ...(llama ? { attention_bias, mlp_bias } : {}),
  };
}
