const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

const bitsOf = (value: number): number => {
  float[0] = value;
  return bits[0] as number;
};

const floatOf = (word: number): number => {
  bits[0] = word;
  return float[0] as number;
};

export function fromBf16(half: number): number {
  return floatOf(half << 16);
}

/** Rounds to the nearest, ties to even, as PyTorch does. */
export function toBf16(value: number): number {
  const word = bitsOf(value);
  if (Number.isNaN(value)) return (word >>> 16) | 0x40; // the top bit of the fraction, so that it stays a NaN
  return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
}

export function fromF16(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 31;
  const fraction = half & 0x3ff;
  if (exponent === 31) return floatOf(sign | 0x7f800000 | (fraction << 13));
  if (exponent === 0) return (sign < 0 ? -1 : 1) * fraction * 2 ** -24;
  return floatOf(sign | ((exponent + 112) << 23) | (fraction << 13));
}

/** Rounds to the nearest, ties to even; beyond 65520 it is infinite. */
export function toF16(value: number): number {
  const word = bitsOf(value);
  const sign = (word >>> 16) & 0x8000;
  const size = word & 0x7fffffff;
  if (size > 0x7f800000) return sign | 0x7e00;
  if (size >= 0x477ff000) return sign | 0x7c00;
  // Below 2^-14 steps are 2^-24 wide: adding 2^52 leaves whole numbers only, rounded to even.
  if (size < 0x38800000) return sign | (Math.abs(floatOf(word)) * 2 ** 24 + 2 ** 52 - 2 ** 52);
  return sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13);
}

/** Applies `convert` to every value. Not `TypedArray.from`, which lists all values first: 20 bytes and more a number. */
export function convertInto<T extends Float32Array | Uint16Array>(
  source: ArrayLike<number>,
  target: T,
  convert: (value: number) => number,
): T {
  for (let i = 0; i < target.length; i++) target[i] = convert(source[i] as number);
  return target;
}
