const MEMORY = 2; // kind of import
const [IMPORTS, MEMORIES] = [2, 5]; // sections
const SHARED = 3; // limits with a maximum, shared between threads

/**
 * A copy of a WebAssembly module whose memory, imported or its own, is shared between threads. Nothing else differs: without atomic
 * instructions the same code runs on either kind of memory. Undefined when the module has no memory with a maximum, which sharing needs.
 */
export function withSharedMemory(module: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const bytes = Uint8Array.from(module);
  let at = 8; // after magic and version
  const number = (): number => {
    let [value, shift] = [0, 0];
    for (;;) {
      const byte = bytes[at++] as number;
      value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
      shift += 7;
    }
  };
  const skipName = (): void => {
    const length = number();
    at += length;
  };
  const skipLimits = (): void => {
    const hasMaximum = bytes[at++] === 1;
    number();
    if (hasMaximum) number();
  };
  const share = (): Uint8Array<ArrayBuffer> | undefined => {
    if (bytes[at] !== 1) return undefined;
    bytes[at] = SHARED;
    return bytes;
  };
  while (at < bytes.length) {
    const section = bytes[at++];
    const end = number() + at;
    if (section === MEMORIES) return number() === 1 ? share() : undefined;
    if (section === IMPORTS)
      for (let count = number(); count > 0; count--) {
        skipName();
        skipName();
        const kind = bytes[at++];
        if (kind === MEMORY) return share();
        if (kind === 0)
          number(); // a function's type
        else if (kind === 1) {
          at++; // a table's element type
          skipLimits();
        } else at += 2; // a global's type and mutability
      }
    at = end;
  }
  return undefined;
}
