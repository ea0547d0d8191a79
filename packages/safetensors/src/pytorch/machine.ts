import { fail } from "./fail.ts";
import type { Value } from "./values.ts";

/** What the machine reads from and works on. */
export interface Machine {
  readonly where: string;
  readonly stack: Value[];
  readonly marks: number[];
  readonly memo: Map<number, Value>;
  byte(): number;
  word(): number;
  bytes(count: number): Uint8Array;
  line(): string;
  pop(): Value;
  /** Everything above the last mark. */
  popMark(): Value[];
}

/** A machine at the start of a pickle. */
export function machineOn(bytes: Uint8Array, where: string): Machine {
  let at = 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const take = (count: number): number => {
    if (count > bytes.length - at) fail(where, "expected a whole pickle, got a truncated one; download it again");
    at += count;
    return at - count;
  };
  const stack: Value[] = [];
  const marks: number[] = [];
  const broken = (): never => fail(where, "expected a well-formed pickle, got one that takes more than it has");
  return {
    where,
    stack,
    marks,
    memo: new Map(),
    byte: () => bytes[take(1)] as number,
    word: () => view.getUint32(take(4), true),
    bytes: (count) => {
      const from = take(count);
      return bytes.subarray(from, from + count);
    },
    line: () => {
      const end = bytes.indexOf(0x0a, at);
      if (end < 0) take(bytes.length + 1);
      const from = take(end - at + 1);
      return new TextDecoder().decode(bytes.subarray(from, end));
    },
    pop: () => (stack.length > (marks.at(-1) ?? 0) ? (stack.pop() as Value) : broken()),
    popMark: () => stack.splice(marks.pop() ?? broken()),
  };
}
