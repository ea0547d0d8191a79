import { readdirSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

const home = import.meta.dirname; // a package's test command starts in the package's folder
const project = (name: string, folder: string, include: string[]) => ({
  extends: true as const,
  test: { name, root: join(home, folder), include, pool: "forks" as const, testTimeout: 120_000 },
});
const folders = (parent: string): string[] => readdirSync(join(home, parent)).map((name) => `${parent}/${name}`);

// Goldens are `*.golden.test.ts`; `npm run goldens` runs them alone, `npm test` with the rest.
export default defineConfig({
  ssr: { resolve: { conditions: ["@kd/source", "node", "import", "module", "default"] } },
  test: {
    projects: [
      ...folders("packages").map((f) =>
        project(f.replace("packages", "@kd"), f, ["src/**/*.test.ts", "test/**/*.test.ts"]),
      ),
      ...folders("examples").map((f) => project(f.replace("examples", "@kd-example"), f, ["src/**/*.test.ts"])),
      project("kd-bench", "bench", ["src/**/*.test.ts"]),
      project("goldens", "packages", ["*/test/**/*.golden.test.ts"]),
    ],
  },
});
