const PRIME = 0x9e3779b1; // xxHash's first

/**
 * 128 bits of the numbers' own bits, two numbers a step in four lanes: a third of a nanosecond a number. SHA-256 of a tower takes longer than
 * reading it from the disk. Each step can be undone, so one changed number always shows.
 */
export function digestOf(values: Float32Array): string {
  const words = new Int32Array(values.buffer, values.byteOffset, values.length);
  const pair = (i: number) => (words[i] as number) ^ turned(words[i + 1] as number);
  let [a, b, c, d] = [1, 2, 3, 4];
  let i = 0;
  for (; i + 8 <= words.length; i += 8) {
    a = round(a, pair(i));
    b = round(b, pair(i + 2));
    c = round(c, pair(i + 4));
    d = round(d, pair(i + 6));
  }
  for (; i < words.length; i += 2) a = round(a, (words[i] as number) ^ turned(words[i + 1] ?? 0));
  return text([a, b, c, d, words.length]);
}

/** The same of the float32 numbers that BF16 words stand for: two of them are one word of 32 bits, turned by half. */
export function digestOfBf16(halves: Uint16Array): string {
  const pairs = halves.length >> 1;
  const own = halves.byteOffset % 4 === 0 ? halves : halves.slice();
  const words = new Int32Array(own.buffer, own.byteOffset, pairs);
  let [a, b, c, d] = [1, 2, 3, 4];
  let i = 0;
  for (; i + 4 <= pairs; i += 4) {
    a = round(a, turned(words[i] as number));
    b = round(b, turned(words[i + 1] as number));
    c = round(c, turned(words[i + 2] as number));
    d = round(d, turned(words[i + 3] as number));
  }
  for (; i < pairs; i++) a = round(a, turned(words[i] as number));
  if (halves.length % 2 === 1) a = round(a, (halves[halves.length - 1] as number) << 16);
  return text([a, b, c, d, halves.length]);
}

const turned = (word: number): number => (word << 16) | (word >>> 16);

function round(lane: number, word: number): number {
  const mixed = Math.imul(lane ^ word, PRIME);
  return mixed ^ (mixed >>> 15);
}

const text = (words: readonly number[]): string => words.map((word) => (word >>> 0).toString(16)).join("-");
