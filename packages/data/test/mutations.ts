import fc from "fast-check";

/** One change of a file's bytes; `at` is a share of its length. */
interface Mutation {
  readonly kind: "set" | "flip" | "insert" | "remove" | "repeat" | "cut" | "number";
  readonly at: number;
  readonly value: number;
}

const share = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const kind = fc.constantFrom<Mutation["kind"]>("set", "flip", "flip", "insert", "remove", "repeat", "cut", "number");

function mutate(bytes: Uint8Array, { kind: how, at: where, value }: Mutation): Uint8Array {
  const at = Math.floor(where * bytes.length);
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (how) {
    case "set":
      return Buffer.concat([before, Buffer.of(value % 256), after.subarray(1)]);
    case "flip":
      return Buffer.concat([before, Buffer.of((after[0] ?? 0) ^ (1 << (value % 8))), after.subarray(1)]);
    case "insert":
      return Buffer.concat([before, Buffer.alloc(1 + (value % 16), value % 256), after]);
    case "remove":
      return Buffer.concat([before, after.subarray(1 + (value % 64))]);
    case "repeat":
      return Buffer.concat([before, after.subarray(0, value % 64), after]);
    case "cut":
      return value % 4 === 0 ? before : bytes;
    case "number": {
      const number = Buffer.alloc(4);
      number.writeUInt32LE(value);
      return Buffer.concat([before, number, after.subarray(4)]);
    }
  }
}

/** Valid bytes with one to eight changes anywhere, or, half of the time, within the first or last kilobyte, where headers lie. */
export function mutated(valid: Uint8Array): fc.Arbitrary<Uint8Array> {
  const value = fc.oneof(
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(2 ** 31 - 1, 2 ** 32 - 1, 2 ** 31, 0x7fff),
    fc.nat(),
  );
  const near = Math.min(1, 1024 / Math.max(1, valid.length));
  const at = fc.oneof(
    share,
    share.map((x) => x * near),
    share.map((x) => 1 - near + x * near),
  );
  const one = fc.record({ kind, at, value });
  return fc.array(one, { minLength: 1, maxLength: 8 }).map((changes) => changes.reduce(mutate, valid));
}
