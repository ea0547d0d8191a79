import { parseSlmConfig, type SlmConfig } from "@kd/slm";
import { UsageError } from "./usage-error.ts";

/** A decoder and its batch. */
export interface Sizes {
  readonly width: number;
  readonly layers: number;
  readonly vocabulary: number;
  readonly batch: number;
  readonly tokens: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly mlp: number;
}

const NAMED: Readonly<Record<string, Sizes>> = {
  a: { width: 128, layers: 4, vocabulary: 2048, batch: 16, tokens: 80, heads: 4, keyHeads: 2, mlp: 352 },
  b: { width: 256, layers: 6, vocabulary: 4096, batch: 8, tokens: 128, heads: 4, keyHeads: 2, mlp: 704 },
  c: { width: 512, layers: 8, vocabulary: 8192, batch: 4, tokens: 256, heads: 8, keyHeads: 2, mlp: 1408 },
};

/** `a`, `b`, `c`, or `d256,L6,V4096,8x128`: width, layers, vocabulary, batch × tokens; heads of 64, half as many for keys, MLP 2.75 × width. */
export function parseSizes(text: string): Sizes {
  const named = NAMED[text];
  if (named !== undefined) return named;
  const match = /^d(\d+),L(\d+),V(\d+),(\d+)x(\d+)$/.exec(text);
  const [width, layers, vocabulary, batch, tokens] = (match ?? []).slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ];
  if (match === null || width % 64 !== 0)
    throw new UsageError(
      `--config: expected ${Object.keys(NAMED).join(", ")} or d256,L6,V4096,8x128 with a width divisible by 64, got "${text}"`,
    );
  const heads = width / 64;
  const keyHeads = heads % 2 === 0 ? heads / 2 : heads;
  return { width, layers, vocabulary, batch, tokens, heads, keyHeads, mlp: width * 2.75 };
}

/** The text that {@link parseSizes} reads. */
export function formatSizes({ width, layers, vocabulary, batch, tokens }: Sizes): string {
  return `d${width},L${layers},V${vocabulary},${batch}x${tokens}`;
}

export function decoderConfig(sizes: Sizes): SlmConfig {
  return parseSlmConfig({
    model_type: "qwen2",
    vocab_size: sizes.vocabulary,
    hidden_size: sizes.width,
    intermediate_size: sizes.mlp,
    num_hidden_layers: sizes.layers,
    num_attention_heads: sizes.heads,
    num_key_value_heads: sizes.keyHeads,
    tie_word_embeddings: true,
  });
}
