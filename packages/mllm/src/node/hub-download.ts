import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { KdError } from "@kd/contract";
import { fetchFile } from "./fetch-file.ts";
import { isCommit, storageOf } from "./hub-cache.ts";
import type { HubModel, ResolveModelFolder } from "./resolve-model-folder.ts";

/** What a model needs: not other frameworks' weights, pictures or training states. */
const NEEDED = /\.(json|jinja|txt|model|safetensors|md)$|(^|\/)pytorch_model[^/]*\.bin$/;
const PYTORCH = /(^|\/)pytorch_model[^/]*\.bin(\.index\.json)?$/;

/** Downloads a model into the cache, in the layout of Python's `huggingface_hub`, and gives its folder. */
export async function download(
  model: HubModel,
  { cacheDir, fetch, hubUrl, accessToken }: ResolveModelFolder & { readonly cacheDir: string },
): Promise<string> {
  const hub = await import("@huggingface/hub");
  const access = {
    ...(fetch === undefined ? {} : { fetch }),
    ...(hubUrl === undefined ? {} : { hubUrl }),
    ...(accessToken === undefined ? {} : { accessToken }),
  };
  const { name, revision } = model;
  const { sha } = await hub.modelInfo({ ...access, name, revision, additionalFields: ["sha"] });
  if (!isCommit(sha))
    throw new KdError("KD_CONFIG", `${name}@${revision}: expected a commit from the hub, got ${JSON.stringify(sha)}`);
  const paths: string[] = [];
  for await (const { type, path } of hub.listFiles({ ...access, repo: name, revision: sha, recursive: true })) {
    if (!staysInside(path))
      throw new KdError(
        "KD_CONFIG",
        `${name}@${revision}: expected files inside the model, got ${JSON.stringify(path)}; do not use it`,
      );
    if (type === "file" && NEEDED.test(path)) paths.push(path);
  }
  const storage = storageOf(model, cacheDir);
  const safe = paths.some((path) => path.endsWith(".safetensors"));
  for (const path of paths)
    if (!safe || !PYTORCH.test(path))
      await fetchFile(path, {
        folder: join(storage, "snapshots", sha),
        blobs: join(storage, "blobs"),
        info: await hub.fileDownloadInfo({ ...access, repo: name, revision: sha, path }),
        open: (downloadInfo) => hub.downloadFile({ ...access, repo: name, revision: sha, path, downloadInfo }),
      });
  if (revision !== sha) {
    const ref = join(storage, "refs", ...revision.split("/"));
    await mkdir(dirname(ref), { recursive: true });
    await writeFile(ref, sha);
  }
  return join(storage, "snapshots", sha);
}

/** Relative, without a parent, drive or backslash. */
function staysInside(path: string): boolean {
  return !/^[/\\]|[\\:\0]/.test(path) && !path.split("/").includes("..");
}
