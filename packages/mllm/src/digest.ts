/** xxHash's primes (Yann Collet, xxHash32). */
const [P1, P2] = [0x9e3779b1, 0x85ebca77];

/**
 * 128 bits of the numbers' own bits, in the four lanes of xxHash32: about a nanosecond a number. SHA-256 of a tower takes longer than reading
 * it from the disk.
 */
export function digestOf(values: Float32Array): string {
  const words = new Int32Array(values.buffer, values.byteOffset, values.length);
  const count = words.length;
  let [a, b, c, d] = [(P1 + P2) | 0, P2 | 0, 0, -P1 | 0];
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    a = round(a, words[i] as number);
    b = round(b, words[i + 1] as number);
    c = round(c, words[i + 2] as number);
    d = round(d, words[i + 3] as number);
  }
  for (; i < count; i++) a = round(a, words[i] as number);
  return [a, b, c, d, count].map((word) => (word >>> 0).toString(16)).join("-");
}

function round(lane: number, word: number): number {
  const mixed = (lane + Math.imul(word, P2)) | 0;
  return Math.imul((mixed << 13) | (mixed >>> 19), P1);
}
