import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";

/** A `require` that finds the package, beside this one or from the program's folder; undefined when it is not installed. */
export function requireFor(name: string): NodeJS.Require | undefined {
  for (const from of [import.meta.url, join(process.cwd(), "index.js")]) {
    const require = createRequire(from);
    try {
      require.resolve(name);
      return require;
    } catch {
      // not here: the next place
    }
  }
  return undefined;
}
