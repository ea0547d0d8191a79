import { crc32c } from "./crc32c.ts";
import type { MetricsRow } from "./metrics-row.ts";

// Field numbers of tensorflow/core/util/event.proto and framework/summary.proto.
const EVENT = { wallTime: 1, step: 2, fileVersion: 3, summary: 5 };
const SUMMARY_VALUE = 1;
const VALUE = { tag: 1, simpleValue: 2 };

/** The record that every event file begins with. */
export function tensorboardHeader(wallTime: number): Uint8Array {
  return record([...double(EVENT.wallTime, wallTime), ...bytesField(EVENT.fileVersion, utf8("brain.Event:2"))]);
}

/** A row's numbers as one record of an event file: scalars under the row's own keys, at the run's step. */
export function tensorboardEvent(row: MetricsRow): Uint8Array {
  const values = Object.entries(row).flatMap(([tag, value]) => {
    if (typeof value !== "number" || !tag.includes("/")) return [];
    return bytesField(SUMMARY_VALUE, [...bytesField(VALUE.tag, utf8(tag)), ...float(VALUE.simpleValue, value)]);
  });
  return record([
    ...double(EVENT.wallTime, row._timestamp),
    ...[EVENT.step << 3, ...varint(row._step)],
    ...bytesField(EVENT.summary, values),
  ]);
}

/** TFRecord: length, its checksum, data, their checksum. */
function record(data: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(data.length + 16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, masked(bytes.subarray(0, 8)), true);
  bytes.set(data, 12);
  view.setUint32(data.length + 12, masked(bytes.subarray(12, 12 + data.length)), true);
  return bytes;
}

/** A checksum of bytes that hold checksums is weak; TFRecord rotates and shifts it. */
function masked(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function varint(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) | 128);
  return [...bytes, left];
}

const bytesField = (field: number, bytes: ArrayLike<number>): number[] => [
  (field << 3) | 2,
  ...varint(bytes.length),
  ...Array.from(bytes),
];

function double(field: number, value: number): number[] {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return [(field << 3) | 1, ...bytes];
}

function float(field: number, value: number): number[] {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return [(field << 3) | 5, ...bytes];
}
