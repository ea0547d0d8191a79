import { readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Runs a TypeScript example of a package's README, for its test, so that what people copy works.
 *
 * @param modules what the example imports, by name
 * @param given what the example takes for granted, by name
 * @param example which, from 0
 * @returns everything that it printed
 */
export async function runReadme(
  folder: string,
  modules: Readonly<Record<string, object>>,
  given: Readonly<Record<string, unknown>> = {},
  example = 0,
): Promise<unknown[]> {
  const readme = readFileSync(join(folder, "README.md"), "utf8");
  const code = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)][example]?.[1] ?? "";
  const body = code.replaceAll(/import (\{.*?\}) from (".*?");/g, "const $1 = modules[$2];");
  const printed: unknown[] = [];
  const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
  const run = new AsyncFunction("modules", "console", ...Object.keys(given), body);
  await run(modules, { log: (...values: unknown[]) => printed.push(...values) }, ...Object.values(given));
  return printed;
}
