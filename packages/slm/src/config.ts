import { KdError } from "@kd/contract";
import { z } from "zod";

/** Sizes of a Qwen2-style decoder, under the names of Hugging Face's `config.json`. */
export interface Qwen2Config {
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
  /** @defaultValue 1e-6 */
  readonly rms_norm_eps: number;
  /** Base of the rotary angles. @defaultValue 10000 */
  readonly rope_theta: number;
  /** The head is the embedding. */
  readonly tie_word_embeddings: boolean;
}

const size = z.int().positive();

/** What Hugging Face leaves out takes Qwen2's defaults. */
export const qwen2ConfigSchema: z.ZodType<Qwen2Config> = z
  .object({
    vocab_size: size,
    hidden_size: size,
    intermediate_size: size,
    num_hidden_layers: size,
    num_attention_heads: size,
    num_key_value_heads: size.optional(),
    rms_norm_eps: z.number().positive().default(1e-6),
    rope_theta: z.number().positive().default(10000),
    tie_word_embeddings: z.boolean().default(false),
    hidden_act: z.literal("silu").default("silu"),
    rope_scaling: z.null().default(null),
  })
  .transform(({ num_key_value_heads, hidden_act: _, rope_scaling: __, ...rest }) => ({
    ...rest,
    num_key_value_heads: num_key_value_heads ?? rest.num_attention_heads,
  }))
  .refine((c) => c.hidden_size % c.num_attention_heads === 0, {
    error: "num_attention_heads must divide hidden_size",
    path: ["num_attention_heads"],
  })
  .refine((c) => c.num_attention_heads % c.num_key_value_heads === 0, {
    error: "num_key_value_heads must divide num_attention_heads",
    path: ["num_key_value_heads"],
  });

/**
 * Reads a language model's `config.json`.
 *
 * @throws KdError `KD_CONFIG` naming the field.
 */
export function parseQwen2Config(value: unknown, where = "text_config"): Qwen2Config {
  const { success, data, error } = qwen2ConfigSchema.safeParse(value);
  if (!success) throw new KdError("KD_CONFIG", `${where}: ${z.prettifyError(error)}; correct the file`);
  return data;
}
