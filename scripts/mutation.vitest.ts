import { join } from "node:path";
import { defineConfig } from "vitest/config";

const home = join(import.meta.dirname, "..");

/**
 * For `npm run mutation`: the tests of the losses and of the operations under them, on cpu. The packages' names are resolved beside this file, so
 * that a copy of the repository tests its own sources: the links in node_modules lead back to the original's.
 */
export default defineConfig({
  root: home,
  resolve: { alias: [{ find: /^@kd\/([a-z-]+)$/, replacement: `${home}/packages/$1/src/index.ts` }] },
  ssr: { resolve: { conditions: ["@kd/source", "node", "import", "module", "default"] } },
  test: {
    include: [
      "packages/losses-{mdist,rdist}/{src,test}/*.test.ts",
      "packages/tensor-core/src/nn/{row-losses,row-losses-weights,row-checks,row-sums,gram,head-metric,select-rows}.test.ts",
    ],
    exclude: ["**/*.golden.test.ts", "**/readme.test.ts"], // seconds each; and the engine that useBackend() prefers
    env: { KD_TEST_ENGINES: "cpu" },
    setupFiles: join(import.meta.dirname, "mutation.setup.mjs"),
    isolate: false, // tfjs is read once a mutant, not once a file
    testTimeout: 0, // a busy machine fails no test: that would count as a mutant found
    hookTimeout: 0,
  },
});
