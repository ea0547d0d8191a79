import { expect, it } from "vitest";
import { decoderConfig, formatSizes, parseSizes } from "./sizes.ts";

it("knows a, b and c, and reads what it writes", () => {
  expect(parseSizes("b")).toMatchObject({ width: 256, layers: 6, vocabulary: 4096, batch: 8, tokens: 128, mlp: 704 });
  const sizes = parseSizes("d64,L2,V100,3x5");
  expect(sizes).toEqual({
    width: 64,
    layers: 2,
    vocabulary: 100,
    batch: 3,
    tokens: 5,
    heads: 1,
    keyHeads: 1,
    mlp: 176,
  });
  expect(formatSizes(sizes)).toBe("d64,L2,V100,3x5");
  expect(decoderConfig(sizes)).toMatchObject({ hidden_size: 64, num_key_value_heads: 1, tie_word_embeddings: true });
});

it.each(["x", "d65,L2,V100,3x5", "d64,L2,V100"])("refuses %s", (text) => {
  expect(() => parseSizes(text)).toThrow(/--config: expected a, b, c or .*, got/);
});
