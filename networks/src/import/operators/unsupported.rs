//! What to do about operators that are not read.

/// Why an operator is refused, and the remedy.
pub(super) fn reason(operator: &str) -> String {
    let remedy = match operator {
        "ConvTranspose" | "Resize" | "Upsample" | "DepthToSpace" => {
            "it makes images larger, which classifiers rarely need: leave it out of the exported graph"
        }
        "LRN"
        | "MeanVarianceNormalization"
        | "InstanceNormalization"
        | "LayerNormalization"
        | "GroupNormalization"
        | "RMSNormalization"
        | "LpNormalization" => {
            "it normalises by values of the image at hand: train with batch normalisation instead, which is constant \
             at inference"
        }
        "LSTM" | "GRU" | "RNN" | "Loop" | "Scan" | "If" => {
            "control flow and recurrence are not read: export the network with its loops unrolled"
        }
        "QuantizeLinear"
        | "DequantizeLinear"
        | "DynamicQuantizeLinear"
        | "QLinearConv"
        | "QLinearMatMul"
        | "ConvInteger"
        | "MatMulInteger" => {
            "quantised networks are not read: export the network before its quantisation, in floating point"
        }
        "Attention" | "MultiHeadAttention" | "Einsum" => {
            "products of activations with each other are not supported: train a convolutional network instead"
        }
        "ArgMax" | "ArgMin" | "TopK" | "NonMaxSuppression" => {
            "it is a choice among the network's outputs: end the exported graph with the logits"
        }
        "LpPool" | "MaxUnpool" | "MaxRoiPool" | "ReduceMax" | "ReduceSum" | "ReduceL2" => {
            "of reductions average and max pools and means over rows and columns are read: use one of these"
        }
        "Softsign" | "ThresholdedRelu" | "Shrink" | "Exp" | "Abs" | "Sign" | "Round" | "Floor" | "Ceil"
        | "Hardmax" => {
            "of activations ReLU and its variants, clips, polynomials, sigmoid, tanh, softplus, SiLU, GELU, Mish \
             and the hard forms of them are read: train with one of these"
        }
        _ => "leave it out of the exported graph, or train without it",
    };
    format!("this operator is not supported; {remedy}")
}
