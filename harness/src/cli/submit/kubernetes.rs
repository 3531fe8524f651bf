//! An indexed Job of Kubernetes.

use clap::Args;

use super::Shards;

#[derive(Args, Debug)]
pub(super) struct Kubernetes {
    #[command(flatten)]
    pub(super) shards: Shards,
    /// Image with the program as its entry point (harness/container/build makes one)
    #[arg(long, value_name = "IMAGE", default_value = "localhost/veilbench:latest")]
    image: String,
    /// Claim of the volume for results, one that many nodes may write
    #[arg(long, value_name = "CLAIM", default_value = "veilbench-runs")]
    claim: String,
    /// Claim of the volume with the data sets; without one the samples within the program are measured
    #[arg(long, value_name = "CLAIM")]
    data_claim: Option<String>,
    /// Processors of a Pod, all its own
    #[arg(long, value_name = "N", default_value = "2")]
    cpus: std::num::NonZeroUsize,
    /// Memory of a Pod
    #[arg(long, value_name = "QUANTITY", default_value = "8Gi")]
    memory: String,
}

/// Where the results' volume is mounted: relative folders lie in it.
const RUNS: &str = "/runs";
const DATA: &str = "/data";

impl Kubernetes {
    /// A policy that leaves Pods no network but their own loopback, the Job, and a suspended one that merges.
    pub(super) fn manifest(&self) -> String {
        let (into, shards) = self.shards.folders();
        let (of, at_once) = (self.shards.of, self.shards.at_once());
        // Kubernetes puts the variable in itself: there is no shell in the image.
        let out = format!("{shards}/$(JOB_COMPLETION_INDEX)");
        let shard = format!("auto/{of}");
        let options = self.shards.run.iter().map(|option| option.replace('$', "$$"));
        let measure: Vec<String> =
            ["run", "--shard", &shard, "--out", &out].map(str::to_owned).into_iter().chain(options).collect();
        // The folder of all of them: a shard whose Pod never ran has none of its own, and the merge says so.
        let merge = ["merge", &shards, "--into", &into].map(str::to_owned);
        let (measure, merge) = (self.pod("measure", &measure, true), self.pod("merge", &merge, false));
        format!(
            r#"# Measures a matrix in {of} shards, at most {at_once} at a time, each on a node of its own. Exit code 1 says that cells failed:
# they are rows, and the index is not tried again. Then: kubectl patch job veilbench-merge -p '{{"spec":{{"suspend":false}}}}'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: veilbench
spec:
  podSelector:
    matchLabels: {{app.kubernetes.io/name: veilbench}}
  policyTypes: [Ingress, Egress]
---
apiVersion: batch/v1
kind: Job
metadata:
  name: veilbench
spec:
  completionMode: Indexed
  completions: {of}
  parallelism: {at_once}
  backoffLimitPerIndex: 6
  podFailurePolicy:
    rules:
      - action: FailIndex
        onExitCodes: {{containerName: measure, operator: In, values: [1]}}
{measure}---
apiVersion: batch/v1
kind: Job
metadata:
  name: veilbench-merge
spec:
  suspend: true
  backoffLimit: 0
{merge}"#
        )
    }

    /// The template of a Pod: no user but an unprivileged one, nothing writable but results and temporary files, no
    /// token; alone on its node if it measures.
    fn pod(&self, container: &str, arguments: &[String], alone: bool) -> String {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let arguments: Vec<String> = arguments.iter().map(|argument| text(argument)).collect();
        let (arguments, image, claim) = (arguments.join(", "), text(&self.image), text(&self.claim));
        let (cpus, memory) = (self.cpus, text(&self.memory));
        let alone = match alone {
            true => {
                "      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - labelSelector:
                matchLabels: {app.kubernetes.io/name: veilbench}
              topologyKey: kubernetes.io/hostname
"
            }
            false => "",
        };
        let (data, data_mount, data_volume) = match &self.data_claim {
            None => ("/tmp/data", String::new(), String::new()),
            Some(claim) => (
                DATA,
                format!("            - {{name: data, mountPath: {DATA}, readOnly: true}}\n"),
                format!(
                    "        - name: data\n          persistentVolumeClaim: {{claimName: {}, readOnly: true}}\n",
                    text(claim)
                ),
            ),
        };
        format!(
            r#"  template:
    metadata:
      labels: {{app.kubernetes.io/name: veilbench}}
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 60
      automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        fsGroup: 65532
        seccompProfile: {{type: RuntimeDefault}}
{alone}      containers:
        - name: {container}
          image: {image}
          args: [{arguments}]
          workingDir: {RUNS}
          env:
            - name: NODE_NAME
              valueFrom: {{fieldRef: {{fieldPath: spec.nodeName}}}}
            - {{name: VEILBENCH_DATA, value: {data}}}
            - {{name: VEILBENCH_CACHE, value: /tmp/cache}}
          resources:
            requests: {{cpu: {cpus}, memory: {memory}}}
            limits: {{cpu: {cpus}, memory: {memory}}}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {{drop: [ALL]}}
          volumeMounts:
            - {{name: runs, mountPath: {RUNS}}}
            - {{name: temporary, mountPath: /tmp}}
{data_mount}      volumes:
        - name: runs
          persistentVolumeClaim: {{claimName: {claim}}}
        - name: temporary
          emptyDir: {{medium: Memory}}
{data_volume}"#
        )
    }
}
