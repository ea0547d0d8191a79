import type { FeatureCache, Llava } from "@kd/mllm";
import { type BenchmarkRow, benchmark } from "../data/benchmark.ts";
import { type Gallery, openGallery } from "../data/gallery.ts";
import { captionRecords, type EmojiRecord, studentRecords } from "../data/records.ts";
import { assembleModel, assetPath } from "../model/assets.ts";
import { openText, type Text } from "../model/text.ts";
import { openFeatures } from "./feature-store.ts";

/** Everything that training and evaluation read; the same in every process. */
export interface Materials {
  readonly gallery: Gallery;
  readonly text: Text;
  readonly captions: readonly EmojiRecord[];
  readonly questions: readonly EmojiRecord[];
  readonly rows: readonly BenchmarkRow[];
  readonly teacher: Llava;
  readonly cache: FeatureCache;
  readonly views: (image: string) => number;
}

const DATA_SEED = 2; // the records are the same for every seed of training
const VIEWS = 4;
const SCENE_VIEWS = 3;
const viewsOf = (image: string): number => (image.startsWith("scene:") ? SCENE_VIEWS : VIEWS);

/** Draws pictures, writes records, loads the teacher and computes features, or reads them from the cache. */
export async function openMaterials({
  everyNth,
  onProgress,
}: {
  /** Use every n-th picture alone, in one view; 1 = all, in several. */
  everyNth: number;
  onProgress?: (what: string, done: number, total: number) => void;
}): Promise<Materials> {
  const gallery = await openGallery({ onProgress: (done, total) => onProgress?.("pictures", done, total) });
  const text = openText(gallery.lexicon);
  const captions = thinned(captionRecords(gallery, DATA_SEED), everyNth);
  const questions = thinned(studentRecords(gallery, DATA_SEED), everyNth);
  const rows = thinned(benchmark(gallery), everyNth);
  const views = everyNth > 1 ? () => 1 : viewsOf;
  const teacher = await assembleModel("teacher", text, {
    files: [assetPath("encoder"), assetPath("teacher")],
    seed: 0,
  });
  const trained = [...new Set([...captions, ...questions].map(({ image }) => image))];
  const tested = new Set(rows.map(({ image }) => image));
  const cache = await openFeatures({
    model: teacher,
    gallery,
    wanted: [1, SCENE_VIEWS, VIEWS].map((count) => ({
      images: count === 1 ? [...tested, ...trained] : trained.filter((image) => views(image) === count),
      views: count,
    })),
    onProgress: (done, total) => onProgress?.("features", done, total),
  });
  return { gallery, text, captions, questions, rows, teacher, cache, views };
}

/** The records of every n-th image, in the order in which images first come. */
function thinned<T extends { readonly image: string }>(records: readonly T[], everyNth: number): T[] {
  const images = [...new Set(records.map(({ image }) => image))];
  const kept = new Set(images.filter((_, i) => i % everyNth === 0));
  return records.filter(({ image }) => kept.has(image));
}

/** A new student: the shared tower, the base language model, a projector by seed. */
export function newStudent(text: Text, seed: number): Promise<Llava> {
  return assembleModel("student", text, {
    files: [assetPath("encoder"), assetPath("base-student")],
    seed: 1000 + seed,
  });
}
