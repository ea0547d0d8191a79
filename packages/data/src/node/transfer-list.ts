/** Buffers of the arrays in plain data, which a message can hand over instead of copying; shared ones and Node's pooled ones are left. */
export function transferList(value: unknown, found: Set<ArrayBuffer> = new Set()): Set<ArrayBuffer> {
  if (ArrayBuffer.isView(value)) {
    if (value.buffer instanceof ArrayBuffer && value.byteLength === value.buffer.byteLength) found.add(value.buffer);
  } else if (typeof value === "object" && value !== null)
    for (const part of Object.values(value)) transferList(part, found);
  return found;
}
