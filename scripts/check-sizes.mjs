// What a loss package adds to a page that has @kd/tensor-core: minified, gzipped. Exits 1 above the ceiling.
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "vite";

const root = join(import.meta.dirname, "..");
const CEILING = 6 * 1024;

let failed = false;
for (const name of ["losses-mdist", "losses-rdist"]) {
  const built = await build({
    configFile: false,
    logLevel: "error",
    resolve: { conditions: ["@kd/source"] },
    build: {
      write: false,
      minify: "esbuild",
      lib: { entry: join(root, "packages", name, "src/index.ts"), formats: ["es"] },
      rollupOptions: { external: [/^@kd\/tensor-core/] },
    },
  });
  const bytes = gzipSync(built[0].output[0].code).length;
  console.log(`@kd/${name}: ${bytes} bytes minified and gzipped, at most ${CEILING}`);
  failed ||= bytes > CEILING;
}
process.exit(failed ? 1 : 0);
