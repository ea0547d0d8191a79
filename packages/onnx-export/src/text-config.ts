import { z } from "zod";

/** Scaling of rotary angles, as Hugging Face names it. */
export type RopeScaling =
  | { readonly rope_type: "linear"; readonly factor: number }
  | {
      readonly rope_type: "llama3";
      readonly factor: number;
      readonly low_freq_factor: number;
      readonly high_freq_factor: number;
      readonly original_max_position_embeddings: number;
    };

/** What the decoder's graph depends on. */
export interface TextConfig {
  readonly model_type: "qwen2" | "llama";
  /** V */
  readonly vocab_size: number;
  /** D */
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  readonly head_dim: number;
  readonly hidden_act: "silu";
  readonly rms_norm_eps: number;
  readonly rope_theta: number;
  /** Undefined: none. */
  readonly rope_scaling: RopeScaling | undefined;
  /** Of Llama: at all four projections of attention. Qwen2 has them at three, whatever its configuration says. */
  readonly attention_bias: boolean;
  readonly mlp_bias: boolean;
  /** Undefined: the whole model's configuration decides. */
  readonly tie_word_embeddings?: boolean | undefined;
}

const size = z.int().positive();

const scalingSchema = z.union(
  [
    z.null(),
    z.object({ rope_type: z.literal("default") }),
    z.object({ rope_type: z.literal("linear"), factor: z.number().positive() }),
    z.object({
      rope_type: z.literal("llama3"),
      factor: z.number().positive(),
      low_freq_factor: z.number().positive(),
      high_freq_factor: z.number().positive(),
      original_max_position_embeddings: size,
    }),
  ],
  { error: 'expected null, or rope_type "default", "linear" or "llama3" with its factors' },
);

/** The field was called `type` before transformers 4.43. */
const named = (value: unknown): unknown =>
  typeof value === "object" && value !== null && "type" in value ? { rope_type: value.type, ...value } : value;

/** transformers 5 puts theta and scaling into one record. */
const unpacked = (value: unknown): unknown => {
  const parameters = typeof value === "object" && value !== null && "rope_parameters" in value && value.rope_parameters;
  if (typeof parameters !== "object" || parameters === null) return value;
  const theta = "rope_theta" in parameters ? { rope_theta: parameters.rope_theta } : {};
  return { ...(value as object), rope_scaling: parameters, ...theta };
};

/** Hugging Face's defaults: Llama 2's 7B and those of Qwen2's class. */
const decoderSchema = (type: "qwen2" | "llama", vocabulary: number, width: number) =>
  z.object({
    model_type: z.literal(type),
    vocab_size: size.default(vocabulary),
    hidden_size: size.default(4096),
    intermediate_size: size.default(width),
    num_hidden_layers: size.default(32),
    num_attention_heads: size.default(32),
    num_key_value_heads: size.nullish(),
    head_dim: size.nullish(),
    hidden_act: z.literal("silu").default("silu"),
    rms_norm_eps: z.number().positive().default(1e-6),
    rope_theta: z.number().positive().default(10000),
    rope_scaling: z.preprocess(named, scalingSchema).default(null),
    attention_bias: z.boolean().default(false),
    mlp_bias: z.boolean().default(false),
    use_sliding_window: z.literal(false, { error: "expected false: windows are not exported" }).default(false),
    tie_word_embeddings: z.boolean().optional(),
  });

/** A `text_config` of Qwen2 or Llama. */
export const textConfigSchema: z.ZodType<TextConfig> = z.preprocess(
  unpacked,
  z
    .discriminatedUnion("model_type", [decoderSchema("qwen2", 151936, 22016), decoderSchema("llama", 32000, 11008)])
    .transform(({ num_key_value_heads, head_dim, rope_scaling: scaling, use_sliding_window: _, ...rest }) => ({
      ...rest,
      num_key_value_heads: num_key_value_heads ?? rest.num_attention_heads,
      head_dim: head_dim ?? rest.hidden_size / rest.num_attention_heads,
      rope_scaling: scaling === null || scaling.rope_type === "default" ? undefined : scaling,
    }))
    .refine((c) => c.head_dim % 2 === 0, {
      error: "hidden_size / num_attention_heads must be an even whole number, or head_dim given",
      path: ["head_dim"],
    })
    .refine((c) => c.num_attention_heads % c.num_key_value_heads === 0, {
      error: "num_key_value_heads must divide num_attention_heads",
      path: ["num_key_value_heads"],
    }),
);
