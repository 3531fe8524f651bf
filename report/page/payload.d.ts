// What `src/page/payload.rs` ships, and what the page makes of it. Absent fields were not measured.

type Phase = "setup" | "offline" | "online";

/** Time in nanoseconds and bytes of one image, and 1 if the cell is on its Pareto front. */
type Cost = [number, number, 0 | 1];

/** A cell as shipped: names are indices into `Payload.names`. */
interface ShippedCell {
  cell: string;
  backend: string;
  network: string;
  dataset: string;
  batch: number;
  threads: number;
  link: string;
  images: number;
  seed: number;
  status: string;
  detail?: string;
  /** Where it was measured, if the run has several machines. */
  machine?: string;
  repetitions: number;
  repetitions_failed: number;
  warm_samples: number;
  outliers: number;
  answers: number;
  images_answered: number;
  /** Index of its protection. */
  group?: number;
  /** Index of its task. */
  task: number;
  /** Is the network one with polynomials in place of its ReLUs? */
  twin?: true;
  synthetic?: true;
  /** The same for cells that differ in nothing but the link. */
  family: number;
  /** Of the cells of one task and backend the least stands for all. */
  rank: number;
  /** How its sessions ended, if not all were ok. */
  ending?: string;
  /** That its answers are not the clear network's. */
  wrong?: string;
  busy?: string;
  /** Index of the refusal that covers it. */
  refusal?: number;
  /** Of the offline and the online phase. */
  work?: Cost;
  /** Of the online phase alone. */
  online?: Cost;
  /** Figures as people read them, in the order of `Payload.columns`. */
  texts: (string | null)[];
  modelled?: Record<string, unknown>;
  setup_wall_ns?: number;
  offline_wall_ns?: number;
  online_wall_ns?: number;
  online_wall_ns_low?: number;
  online_wall_ns_high?: number;
  cold_online_wall_ns?: number;
  online_occupancy_ns?: number;
  setup_cpu_ns?: number;
  offline_cpu_ns?: number;
  online_cpu_ns?: number;
  images_per_second?: number;
  images_per_second_sustained?: number;
  setup_bytes?: number;
  offline_bytes?: number;
  online_bytes?: number;
  online_bytes_max_party?: number;
  online_local_bytes?: number;
  setup_rounds?: number;
  offline_rounds?: number;
  online_rounds?: number;
  online_messages?: number;
  peak_rss_bytes?: number;
  accuracy?: number;
  accuracy_low?: number;
  accuracy_high?: number;
  agreement?: number;
  agreement_low?: number;
  agreement_high?: number;
  max_logit_error?: number | string;
  /** How far a logit may be off, as a text. */
  tolerance?: string;
  security_bits?: number;
  others_cpu_share?: number;
  bytes_counted_by?: string;
  /** Phase, role, span, wall-clock and processor time, samples. */
  spans?: [number, number, number, number | null, number | null, number][];
  /** Phase, from, to, bytes, messages. */
  pairs?: [number, number, number, number, number | null][];
  /** Role, bytes. */
  memory?: [number, number][];
  /** Repetition, iteration, wall-clock time, and 0 for cold, 1 for warm, 2 for a warm outlier. */
  points?: [number, number, number, number][];
  points_unlisted?: number;
}

interface Span { phase: string; role: string; span: string; wall: number | null; cpu: number | null; samples: number }
interface Pair { phase: string; from: string; to: string; bytes: number; messages: number | null }
interface RoleMemory { role: string; bytes: number }
interface Point { repetition: number; iteration: number; wall: number; warm: boolean; outlier: boolean }

/** A cell with names in the place of their numbers. */
type Cell = Omit<ShippedCell, "spans" | "pairs" | "memory" | "points" | "texts"> & {
  spans: Span[];
  pairs: Pair[];
  memory: RoleMemory[];
  points: Point[];
  /** Figures as people read them, by column. */
  text: Record<string, string | undefined>;
  letter: string;
};

interface Group { letter: string; technology: string; protection: string; simulated: boolean }
/** The machine is empty where a run has but one. */
interface Task { network: string; dataset: string; machine: string; title: string }
/** Strokes and gaps of a line or bar; both figures are null if the name does not tell, the rate alone if nothing limits it. */
interface Link { name: string; style: number; pattern: number[]; round_trip_ns: number | null; bits_per_second: number | null }
interface Refusal { backend: string; network: string; cell: string; reasons: string[] }
interface BreakEven { winner: string; loser: string; batch: number; still_slower_at: number; same_protection: boolean }
interface Finding { file: string; line: number | null; error: boolean; message: string }
interface Published {
  paper: string;
  year: number;
  system: string;
  commit: string;
  technology: string;
  network: string;
  dataset: string;
  hardware: string;
  threads: number | null;
  batch: number | null;
  online_wall_ns: number | null;
  images_per_hour: number | null;
  online_bytes: number | null;
  memory_bytes: number | null;
  accuracy: number | null;
  security_bits: number | null;
  security_enforced: "yes" | "no" | "unknown";
  key_on_server: "yes" | "no" | "unknown";
  citation: string;
  address: string;
  not_comparable_because: string;
  /** Time of one image, nanoseconds. */
  image_ns: number | null;
}

interface BackendRecord {
  technology: string;
  roles: string[];
  data_owner: string;
  settings: Record<string, string>;
  /** As the backend wrote it: judged where it is shown. */
  threat_model: any;
  threat_model_summary: string;
  security_bits: number | null;
  simulated: boolean;
}

interface Machine { cpu_model: string; cores: number; memory_bytes: number; kernel: string; os: string; load_average: number[] }
interface Shards { plan_sha256: string; of: number; present: number[]; repetitions: number; cells: string[] }
interface Run {
  schema_version: number;
  name: string;
  created: string;
  veilbench_version: string;
  commands: string[];
  seed: number;
  fingerprint: string;
  /** By the id that cells name them by, where a run has several. */
  machines: Record<string, Machine>;
  /** By the names that hosts were given; empty if all roles were on one machine. */
  hosts: Record<string, { machine: string; roles: string[] }>;
  /** Null unless the run is of a matrix that was dealt to several. */
  shards: Shards | null;
  rustc: string;
  git_revision: string | null;
  git_dirty: boolean | null;
  executable_sha256: string;
  crates: Record<string, string>;
  environment: Record<string, string>;
  warmup: number;
  networks: Record<string, { sha256: string; dataset: string; parameters: number; macs: number; calibrated_images: number; calibration_sha256?: string; classes: string[]; assumptions: string[] }>;
  datasets: Record<string, { images: number; synthetic: boolean; fingerprint: string; classes: string[] }>;
  backends: Record<string, BackendRecord>;
  plans: Record<string, unknown>;
  /** Backends that are not compiled in, by name. */
  external?: Record<string, { files_sha256: string; version?: string | null }>;
}

interface Payload {
  run: Run;
  groups: Group[];
  tasks: Task[];
  links: Link[];
  refusals: Refusal[];
  columns: string[];
  cells: ShippedCell[];
  names: string[];
  break_even: BreakEven[];
  published: Published[];
  findings: Finding[];
  findings_unlisted: number;
}

/** What may stand in an element; nothing of it is read as markup. */
type Child = string | Node | null | undefined | false | Child[];

/** A view; `mount` builds it into an empty part and returns what brings it to the cells that fit the filter. */
interface View {
  /** Its name in the address. */
  key: string;
  title: string;
  /** Does the filter not apply? */
  filterless?: boolean;
  /** Is it not in the navigation? */
  unlisted?: boolean;
  mount(root: HTMLElement): (cells: Cell[]) => void;
}

/** Maps values to 0..1 and names its ticks. */
interface Scale { at(value: number): number; ticks: number[]; tick(value: number): string }

/** A line of a bar list: a heading, or a label, marks within the track, a value and what stands below it. */
type BarRow = { head: Child } | { label: Child; sub?: Child; marks: Child; value: Child; note?: Child; link?: string; tall?: boolean };

interface ChartPoint { x: number; y: number; label?: string; title: string; href?: string; hollow?: boolean; ring?: boolean; hidden?: boolean }
interface Series { colour: string; shape?: number; link?: string; line?: "line" | "steps"; points: ChartPoint[] }
interface ChartAxis { name: string; tick(value: number): string; linear?: boolean }
