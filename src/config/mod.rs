//! `.github/trunkline.yaml` → a validated pipeline, with every problem and its place.
