import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const home = join(import.meta.dirname, "..");

/** A mutant is done with the first test that fails: the small ones first, last those whose properties take seconds. */
class QuickFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number =>
      [
        /error-codes|row-checks/,
        /tensor-core/,
        /bild|rdist|attention|hidden|top-ids/,
        /\/(mdist|rows)\.test/,
        /definition/,
      ].findLastIndex((kind) => kind.test(moduleId));
    return files.toSorted((a, b) => rank(a) - rank(b) || a.moduleId.localeCompare(b.moduleId));
  }
}

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
    env: { KD_TEST_ENGINES: "cpu", KD_PROPERTY_RUNS: "10" },
    sequence: { sequencer: QuickFirst },
    setupFiles: join(import.meta.dirname, "mutation.setup.mjs"),
    isolate: false, // tfjs is read once a mutant, not once a file
    testTimeout: 0, // a busy machine fails no test: that would count as a mutant found
    hookTimeout: 0,
  },
});
