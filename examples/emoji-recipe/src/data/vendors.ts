/** Drawing sets whose pictures may be trained on (Apache-2.0 and CC-BY-4.0). */
export const TRAIN_VENDORS: readonly string[] = ["noto", "twemoji", "noto-v1", "emojione", "fxemoji"];
/** Drawing sets that are only ever tested on. */
export const TEST_VENDORS: readonly string[] = ["fluent-emoji-flat", "emojione-v1"];
