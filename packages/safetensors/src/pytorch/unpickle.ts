import { quote } from "../fail.ts";
import { effectOf, isCallable, storageOf } from "./build.ts";
import { fail, SAVE_AGAIN } from "./fail.ts";
import { globalOf, type Value } from "./values.ts";

/** A checkpoint of 10,000 tensors takes 400,000. */
const MAX_STEPS = 5_000_000;

/** What the machine reads from and works on. */
interface Machine {
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

/**
 * Runs a pickle on a machine that knows how to build tensors and nothing else: dictionaries, lists, texts, numbers and the four names that a
 * `state_dict` needs. Every other name, and every other instruction, is an error.
 *
 * @throws KdError `KD_WEIGHTS` with the name that the file wanted.
 */
export function unpickle(bytes: Uint8Array, where: string): Value {
  const machine = machineOn(bytes, where);
  for (let steps = 0; steps < MAX_STEPS; steps++) {
    const code = machine.byte();
    if (code === 0x2e) return machine.pop();
    const step = STEPS[code];
    if (step === undefined)
      fail(where, `expected a state_dict, got pickle instruction 0x${code.toString(16).padStart(2, "0")}; ${SAVE_AGAIN}`);
    step(machine);
  }
  return fail(where, `expected at most ${MAX_STEPS} pickle instructions, got more`);
}

function machineOn(bytes: Uint8Array, where: string): Machine {
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

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const push = (value: (m: Machine) => Value) => (m: Machine) => {
  m.stack.push(value(m));
};
const tuple = (count: number) =>
  push((m) => Array.from({ length: count }, () => m.pop()).reverse());

function top(m: Machine): Value {
  const value = m.pop();
  m.stack.push(value);
  return value;
}

function fill(m: Machine, items: readonly Value[]): void {
  const target = top(m);
  if (!(target instanceof Map)) return fail(m.where, `expected a dictionary to fill, got ${quote(target)}`);
  for (let i = 0; i < items.length; i += 2) target.set(items[i] as Value, items[i + 1] as Value);
}

function append(m: Machine, items: readonly Value[]): void {
  const target = top(m);
  if (!Array.isArray(target)) return fail(m.where, `expected a list to fill, got ${quote(target)}`);
  for (const item of items) (target as Value[]).push(item);
}

function named(m: Machine, module: string, name: string): Value {
  return (
    globalOf(module, name) ??
    fail(m.where, `expected tensors only, got a pickle that calls ${quote(`${module}.${name}`)}; ${SAVE_AGAIN}`)
  );
}

/** Little-endian, signed, any number of bytes. */
function long(m: Machine, count: number): number {
  const bytes = m.bytes(count);
  let value = 0n;
  for (let i = Math.min(count, 9) - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] as number);
  const number = count > 8 ? Number.NaN : Number(BigInt.asIntN(8 * count, value));
  return Number.isSafeInteger(number) || count === 0 ? number : fail(m.where, "expected numbers below 2^53, got a larger one");
}

function recall(m: Machine, index: number): Value {
  return m.memo.has(index) ? (m.memo.get(index) as Value) : fail(m.where, `expected value ${index} to exist, got none`);
}

const float = (m: Machine): number => {
  const bytes = m.bytes(8);
  return new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0, false);
};

/** By instruction; comments are the names in Python's pickletools. */
const STEPS: Readonly<Record<number, (m: Machine) => void>> = {
  0x80: (m) => void m.byte(), // PROTO
  0x95: (m) => void m.bytes(8), // FRAME
  0x28: (m) => void m.marks.push(m.stack.length), // MARK
  0x30: (m) => void m.pop(), // POP
  0x4e: push(() => null), // NONE
  0x88: push(() => true), // NEWTRUE
  0x89: push(() => false), // NEWFALSE
  0x4b: push((m) => m.byte()), // BININT1
  0x4d: push((m) => m.byte() | (m.byte() << 8)), // BININT2
  0x4a: push((m) => m.word() | 0), // BININT
  0x8a: push((m) => long(m, m.byte())), // LONG1
  0x47: push(float), // BINFLOAT
  0x58: push((m) => text(m.bytes(m.word()))), // BINUNICODE
  0x8c: push((m) => text(m.bytes(m.byte()))), // SHORT_BINUNICODE
  0x7d: push(() => new Map()), // EMPTY_DICT
  0x5d: push(() => []), // EMPTY_LIST
  0x29: push(() => []), // EMPTY_TUPLE
  0x85: tuple(1), // TUPLE1
  0x86: tuple(2), // TUPLE2
  0x87: tuple(3), // TUPLE3
  0x74: push((m) => m.popMark()), // TUPLE
  0x73: (m) => fill(m, [m.pop(), m.pop()].reverse()), // SETITEM
  0x75: (m) => fill(m, m.popMark()), // SETITEMS
  0x61: (m) => append(m, [m.pop()]), // APPEND
  0x65: (m) => append(m, m.popMark()), // APPENDS
  0x71: (m) => void m.memo.set(m.byte(), top(m)), // BINPUT
  0x72: (m) => void m.memo.set(m.word(), top(m)), // LONG_BINPUT
  0x94: (m) => void m.memo.set(m.memo.size, top(m)), // MEMOIZE
  0x68: push((m) => recall(m, m.byte())), // BINGET
  0x6a: push((m) => recall(m, m.word())), // LONG_BINGET
  0x63: push((m) => named(m, m.line(), m.line())), // GLOBAL
  0x93: push((m) => {
    const [name, module] = [m.pop(), m.pop()];
    return named(m, String(module), String(name));
  }), // STACK_GLOBAL
  0x51: push((m) => storageOf(m.pop(), m.where)), // BINPERSID
  0x52: push((m) => {
    const [args, target] = [m.pop(), m.pop()];
    return isCallable(target)
      ? effectOf(target, args, m.where)
      : fail(m.where, `expected a call that builds a tensor, got one of ${quote(target)}`);
  }), // REDUCE
  0x62: (m) => {
    m.pop(); // a state_dict's _metadata: versions of modules
    if (!(top(m) instanceof Map)) fail(m.where, `expected a state_dict, got an object with a state; ${SAVE_AGAIN}`);
  }, // BUILD
};
