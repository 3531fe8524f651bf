//! The clear evaluator, the import, and tract for one image and for a hundred.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use veilbench_networks::evaluate::Evaluator;
use veilbench_networks::zoo::{Activation, malaria_cnn, mnist_mlp, untrained};
use veilbench_networks::{Architecture, Network, Reference, Tensor, export, import};

fn networks() -> Vec<Network> {
    let builders: [fn(Activation) -> Architecture; 2] = [mnist_mlp, malaria_cnn];
    builders.iter().map(|build| untrained(build(Activation::Relu), 0)).collect()
}

fn images(network: &Network, count: usize) -> Tensor {
    let shape = network.architecture.input;
    let values = (0..count * shape.len()).map(|index| (index % 17) as f32 / 17.0).collect();
    Tensor::new(count, shape, values).expect("the length is right")
}

fn bench(criterion: &mut Criterion) {
    for network in networks() {
        let name = network.architecture.name.clone();
        let bytes = export::to_bytes(&network).expect("the network is sound");
        criterion.bench_function(&format!("import/{name}"), |bencher| {
            bencher.iter(|| import::parse(black_box(&bytes), "bench.onnx").expect("it was just exported"));
        });
        let evaluator = Evaluator::<f32>::new(&network).expect("the network is sound");
        let reference = Reference::new(&network).expect("tract loads our exports");
        for count in [1, 100] {
            let images = images(&network, count);
            criterion.bench_function(&format!("evaluate-f32/{name}/{count}"), |bencher| {
                bencher.iter(|| evaluator.evaluate(black_box(&images)).expect("the images fit"));
            });
            criterion.bench_function(&format!("tract/{name}/{count}"), |bencher| {
                bencher.iter(|| reference.logits(black_box(&images)).expect("the images fit"));
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = bench
}
criterion_main!(benches);
