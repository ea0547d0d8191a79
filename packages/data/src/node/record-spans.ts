import { MAX_JSON_DEPTH } from "../bounded-json.ts";
import { dataError } from "./data-error.ts";

/** Larger records are refused: LLaVA's longest has some 100 kB. */
export const MAX_RECORD_BYTES: number = 16 * 1024 ** 2;

/** One record's text; the bytes are valid until the next call. */
export type OnSpan = (bytes: Uint8Array, offset: number) => void;

/** One line that is too long to be kept. */
export type OnLong = (size: number, offset: number) => void;

/** What finds records in a file that comes in pieces; `end` is called once after the last. */
export interface SpanScanner {
  write(chunk: Uint8Array): void;
  end(): void;
}

/** Keeps the bytes of a record that goes on in the next piece; without `onLong`, one that is too long throws. */
function keeper(where: string, onSpan: OnSpan, onLong?: OnLong) {
  let kept: Uint8Array[] = [];
  let bytes = 0;
  const keep = (part: Uint8Array, record: number): void => {
    bytes += part.length;
    if (bytes <= MAX_RECORD_BYTES) kept.push(part);
    else if (onLong !== undefined) kept = [];
    else
      throw dataError(
        `${where}[${record}]`,
        `expected a record of at most ${MAX_RECORD_BYTES} bytes, got more; look for an open quote or bracket in or before it`,
      );
  };
  return {
    keep: (part: Uint8Array, record: number): void => keep(bytes > MAX_RECORD_BYTES ? part : part.slice(), record),
    emit: (part: Uint8Array, offset: number, record: number): void => {
      const before = bytes;
      keep(part, record);
      if (bytes > MAX_RECORD_BYTES) onLong?.(bytes, offset - before);
      else onSpan(kept.length === 1 ? part : Buffer.concat(kept), offset - before);
      kept = [];
      bytes = 0;
    },
  };
}

const isSpace = (c: number): boolean => c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09;

/** Records of a JSON array: everything between the commas of the outermost level. Throws `KD_DATA` where the array does not begin or end. */
export function arrayScanner(where: string, onSpan: OnSpan): SpanScanner {
  const { keep, emit } = keeper(where, onSpan);
  let [depth, position, records] = [0, 0, 0];
  let [inString, escaped, inRecord, ended] = [false, false, false, false];
  const write = (chunk: Uint8Array): void => {
    let start = 0; // of the record's part in this piece
    let i = position === 0 && chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf ? 3 : 0;
    for (; i < chunk.length; i++) {
      const c = chunk[i] as number;
      if (inString) {
        if (escaped) escaped = false;
        else if (c === 0x5c) escaped = true;
        else if (c === 0x22) inString = false;
        continue;
      }
      if (isSpace(c)) continue;
      if (ended || depth === 0) {
        if (ended || c !== 0x5b)
          throw dataError(
            where,
            `expected one JSON array, got ${JSON.stringify(String.fromCharCode(c))} at byte ${position + i}; write [ … ]`,
          );
        depth = 1;
        continue;
      }
      if (depth === 1 && (c === 0x2c || c === 0x5d)) {
        if (inRecord || c === 0x2c || records > 0) {
          if (!inRecord)
            throw dataError(
              `${where}[${records}]`,
              `expected a record, got ${c === 0x2c ? "," : "]"} at byte ${position + i}; remove the comma`,
            );
          emit(chunk.subarray(start, i), position + start, records++);
        }
        inRecord = false;
        ended = c === 0x5d;
        continue;
      }
      if (!inRecord) {
        inRecord = true;
        start = i;
      }
      if (c === 0x22) inString = true;
      else if (c === 0x7b || c === 0x5b) {
        if (++depth > MAX_JSON_DEPTH + 1)
          throw dataError(
            `${where}[${records}]`,
            `expected at most ${MAX_JSON_DEPTH} levels, got more at byte ${position + i}; correct it`,
          );
      } else if ((c === 0x7d || c === 0x5d) && --depth < 1)
        throw dataError(`${where}[${records}]`, `expected no closing bracket at byte ${position + i}; correct it`);
    }
    if (inRecord) keep(chunk.subarray(start), records);
    position += chunk.length;
  };
  const end = (): void => {
    if (!ended)
      throw dataError(
        where,
        `expected ] at the end, got ${position} bytes and ${records} whole records; it is truncated, copy it again`,
      );
  };
  return { write, end };
}

/** Records of JSON lines: everything between line breaks that is not blank. A line that is too long ends with the line. */
export function linesScanner(where: string, onSpan: OnSpan, onLong: OnLong): SpanScanner {
  let line = 0;
  let blank = true;
  let carried = 0;
  const { keep, emit } = keeper(
    where,
    (bytes, offset) => blank || onSpan(bytes, offset),
    (size, offset) => blank || onLong(size, offset),
  );
  let position = 0;
  const write = (chunk: Uint8Array): void => {
    let start = position === 0 && chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf ? 3 : 0;
    for (;;) {
      const at = chunk.indexOf(0x0a, start);
      const part = chunk.subarray(start, at < 0 ? chunk.length : at);
      if (blank) blank = part.every(isSpace);
      if (at < 0) {
        keep(part, line);
        carried += part.length;
        break;
      }
      emit(part, position + start, line);
      if (!blank) line++;
      blank = true;
      carried = 0;
      start = at + 1;
    }
    position += chunk.length;
  };
  const end = (): void => {
    if (carried > 0) emit(new Uint8Array(0), position, line);
  };
  return { write, end };
}
