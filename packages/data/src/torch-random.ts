import { KdError } from "@kd/contract";

const STATES = 624;
const SHIFT = 397;

/** The 32-bit numbers of PyTorch's CPU generator after `manual_seed(seed)`: mt19937, whose seeding takes the low 32 bits of the seed. */
export function torchRandom(seed: number): () => number {
  const state = new Uint32Array(STATES);
  state[0] = seed;
  for (let i = 1; i < STATES; i++) {
    const last = state[i - 1] as number;
    state[i] = Math.imul(1812433253, last ^ (last >>> 30)) + i;
  }
  let at = STATES;
  const refill = (): void => {
    for (let i = 0; i < STATES; i++) {
      const joined = ((state[i] as number) & 0x80000000) | ((state[(i + 1) % STATES] as number) & 0x7fffffff);
      state[i] = (state[(i + SHIFT) % STATES] as number) ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0);
    }
    at = 0;
  };
  return () => {
    if (at === STATES) refill();
    let y = state[at++] as number;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}

/** From here on PyTorch draws 64 bits a swap (`UINT32_MAX / 20`). */
const LARGEST = Math.floor((2 ** 32 - 1) / 20);

/** `torch.randperm(count, generator=g)` on the CPU, where `random` gives g's numbers (see {@link torchRandom}). Throws `KD_DATA` above 214 million. */
export function torchPermutation(count: number, random: () => number): Uint32Array {
  if (!Number.isInteger(count) || count < 0 || count >= LARGEST)
    throw new KdError("KD_DATA", `torchPermutation: expected 0…${LARGEST - 1} items, got ${count}; split the data`);
  const order = new Uint32Array(count).map((_, i) => i);
  for (let i = 0; i < count - 1; i++) {
    const drawn = random();
    const from = i + drawn - Math.floor(drawn / (count - i)) * (count - i); // drawn % (count - i), which is exact and five times as fast
    const taken = order[i] as number;
    order[i] = order[from] as number;
    order[from] = taken;
  }
  return order;
}
