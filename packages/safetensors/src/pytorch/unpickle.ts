import { quote } from "../fail.ts";
import { effectOf, isCallable, storageOf } from "./build.ts";
import { fail, SAVE_AGAIN } from "./fail.ts";
import { type Machine, machineOn } from "./machine.ts";
import { describe, globalOf, type Value } from "./values.ts";

/** A checkpoint of 10,000 tensors takes 400,000. */
const MAX_STEPS = 5_000_000;

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
      fail(
        where,
        `expected a state_dict, got pickle instruction 0x${code.toString(16).padStart(2, "0")}; ${SAVE_AGAIN}`,
      );
    step(machine);
  }
  return fail(where, `expected at most ${MAX_STEPS} pickle instructions, got more`);
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const push = (value: (m: Machine) => Value) => (m: Machine) => {
  m.stack.push(value(m));
};
const tuple = (count: number) => push((m) => Array.from({ length: count }, () => m.pop()).reverse());

function top(m: Machine): Value {
  const value = m.pop();
  m.stack.push(value);
  return value;
}

function fill(m: Machine, items: readonly Value[]): void {
  const target = top(m);
  if (!(target instanceof Map)) fail(m.where, `expected a dictionary to fill, got ${describe(target)}`);
  for (let i = 0; i < items.length; i += 2) target.set(items[i] as Value, items[i + 1] as Value);
}

function append(m: Machine, items: readonly Value[]): void {
  const target = top(m);
  if (!Array.isArray(target)) fail(m.where, `expected a list to fill, got ${describe(target)}`);
  for (const item of items) (target as Value[]).push(item);
}

function named(m: Machine, module: Value, name: Value): Value {
  if (typeof module !== "string" || typeof name !== "string")
    return fail(m.where, "expected a name in a pickle, got another value");
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
  return Number.isSafeInteger(number) || count === 0
    ? number
    : fail(m.where, "expected numbers below 2^53, got a larger one");
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
  128: (m) => void m.byte(), // PROTO
  149: (m) => void m.bytes(8), // FRAME
  40: (m) => void m.marks.push(m.stack.length), // MARK
  48: (m) => void m.pop(), // POP
  78: push(() => null), // NONE
  136: push(() => true), // NEWTRUE
  137: push(() => false), // NEWFALSE
  75: push((m) => m.byte()), // BININT1
  77: push((m) => m.byte() | (m.byte() << 8)), // BININT2
  74: push((m) => m.word() | 0), // BININT
  138: push((m) => long(m, m.byte())), // LONG1
  71: push(float), // BINFLOAT
  88: push((m) => text(m.bytes(m.word()))), // BINUNICODE
  140: push((m) => text(m.bytes(m.byte()))), // SHORT_BINUNICODE
  125: push(() => new Map()), // EMPTY_DICT
  93: push(() => []), // EMPTY_LIST
  41: push(() => []), // EMPTY_TUPLE
  133: tuple(1), // TUPLE1
  134: tuple(2), // TUPLE2
  135: tuple(3), // TUPLE3
  116: push((m) => m.popMark()), // TUPLE
  115: (m) => fill(m, [m.pop(), m.pop()].reverse()), // SETITEM
  117: (m) => fill(m, m.popMark()), // SETITEMS
  97: (m) => append(m, [m.pop()]), // APPEND
  101: (m) => append(m, m.popMark()), // APPENDS
  113: (m) => void m.memo.set(m.byte(), top(m)), // BINPUT
  114: (m) => void m.memo.set(m.word(), top(m)), // LONG_BINPUT
  148: (m) => void m.memo.set(m.memo.size, top(m)), // MEMOIZE
  104: push((m) => recall(m, m.byte())), // BINGET
  106: push((m) => recall(m, m.word())), // LONG_BINGET
  99: push((m) => named(m, m.line(), m.line())), // GLOBAL
  147: push((m) => {
    const [name, module] = [m.pop(), m.pop()];
    return named(m, module, name);
  }), // STACK_GLOBAL
  81: push((m) => storageOf(m.pop(), m.where)), // BINPERSID
  82: push((m) => {
    const [args, target] = [m.pop(), m.pop()];
    return isCallable(target)
      ? effectOf(target, args, m.where)
      : fail(m.where, `expected a call that builds a tensor, got one of ${describe(target)}`);
  }), // REDUCE
  98: (m) => {
    m.pop(); // a state_dict's _metadata: versions of modules
    if (!(top(m) instanceof Map)) fail(m.where, `expected a state_dict, got an object with a state; ${SAVE_AGAIN}`);
  }, // BUILD
};
