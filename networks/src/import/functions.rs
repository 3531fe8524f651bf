//! Activations, and the products by which files of older operator sets write those of newer ones.

use super::error::Reason;
use super::layers::{Layers, Settle};
use super::values::activation::{Activation, Form, LayerId, Polynomial};
use crate::architecture::activation::{GELU_TANH_CUBE, GELU_TANH_SCALE};
use crate::{ActivationKind, Op, Parameters};

/// What an activation was applied to: a polynomial of a layer's output.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    base: LayerId,
    polynomial: Polynomial,
    op: Op,
}

impl Origin {
    /// The argument, seen through the layout of the activation.
    fn argument(&self, seen: Activation) -> Activation {
        let form = Form { name: String::new(), polynomial: self.polynomial.clone() };
        let form = (!self.polynomial.is_identity()).then_some(form);
        Activation { base: self.base, form, ..seen }
    }
}

/// How far a coefficient may be from what a formula says, relatively: it was rounded to single precision.
const ROUNDING: f64 = 1e-6;

/// What the gate of a product is applied to.
type Inner = fn(&Polynomial) -> Result<Polynomial, Reason>;

/// A function `x (constant + slope gate(inner(x)))`.
struct Product {
    kind: ActivationKind,
    inner: Inner,
    constant: f64,
    slope: f64,
}

impl Layers {
    /// Appends an activation's layer.
    pub(super) fn apply(
        &mut self,
        activation: Activation,
        name: &str,
        op: Op,
        parameters: Parameters,
    ) -> Result<Activation, Reason> {
        let origin = Origin { base: activation.base, polynomial: activation.polynomial(), op };
        self.budget.spend(origin.polynomial.values())?;
        let settled = self.settle(activation, Settle::Fold)?;
        let base = self.push(&[settled.base], name, op, parameters)?;
        self.origins.insert(base, origin);
        Ok(Activation { base, ..settled })
    }

    /// If the activation is the output of a ReLU or clip, what that was applied to, and its bounds.
    pub(super) fn clipped(&self, activation: &Activation) -> Option<(Activation, [f32; 2])> {
        let origin = self.origins.get(&activation.base).filter(|_| activation.form.is_none())?;
        let bounds = match origin.op {
            Op::Relu => [0.0, f32::MAX],
            Op::Activation(ActivationKind::Clip { low, high }) => [low, high],
            _ => return None,
        };
        Some((origin.argument(activation.clone()), bounds))
    }

    /// `x` times `gate` as the activation that this product is, or `None` if it is none.
    pub(super) fn product(
        &mut self,
        name: &str,
        x: &Activation,
        gate: &Activation,
    ) -> Result<Option<Activation>, Reason> {
        let Some(mut origin) = self.origins.get(&gate.base) else { return Ok(None) };
        let Some(outer) = gate.polynomial().affine() else { return Ok(None) };
        let mut found = Product::of(origin.op);
        if origin.op == Op::Activation(ActivationKind::Tanh)
            && origin.polynomial.is_identity()
            && let Some(inside) = self.origins.get(&origin.base)
            && inside.op == Op::Activation(ActivationKind::Softplus)
        {
            origin = inside;
            found = Some(Product { kind: ActivationKind::Mish, inner: same, constant: 0.0, slope: 1.0 });
        }
        let Some(product) = found else { return Ok(None) };
        if origin.base != x.base || x.layout != gate.layout {
            return Ok(None);
        }
        let (origin, factor) = (origin.polynomial.clone(), outer[1] / product.slope);
        if (outer[0] - factor * product.constant).abs() > ROUNDING * factor.abs() {
            return Ok(None);
        }
        let seen = x.polynomial();
        let ratio = seen.coefficient(1, 0) / origin.coefficient(1, 0);
        // `x` may carry a factor that the argument of the gate lacks, such as the half of GELU.
        for part in [1.0, 0.5, ratio] {
            if !part.is_finite() || part == 0.0 {
                continue;
            }
            let argument = seen.map(|value| value / part);
            self.budget.spend(4 * argument.values())?;
            if !(product.inner)(&argument).is_ok_and(|inner| inner.is_close(&origin, ROUNDING)) {
                continue;
            }
            let form = Form { name: name.to_owned(), polynomial: argument };
            let form = (!form.polynomial.is_identity()).then_some(form);
            let op = Op::Activation(product.kind);
            let found = self.apply(Activation { form, ..x.clone() }, name, op, Parameters::None)?;
            self.composed.insert(found.base);
            let scaled = Polynomial::identity().map(|one| one * part * factor);
            return Ok(Some(self.finish(found, name, scaled)));
        }
        Ok(None)
    }

    /// The activation with a polynomial of its layer's output in place of the one it has. The factors of a
    /// product that end in one leave nothing.
    pub(super) fn finish(
        &mut self,
        activation: Activation,
        name: &str,
        polynomial: Polynomial,
    ) -> Activation {
        if self.composed.contains(&activation.base) && polynomial.is_close(&Polynomial::identity(), ROUNDING)
        {
            self.rename(activation.base, name);
            return Activation { form: None, ..activation };
        }
        activation.with_form(name, polynomial)
    }
}

impl Product {
    /// The function that a gate is a part of.
    fn of(gate: Op) -> Option<Self> {
        let Op::Activation(gate) = gate else { return None };
        let product =
            |kind, inner: Inner, [constant, slope]: [f64; 2]| Some(Self { kind, inner, constant, slope });
        match gate {
            ActivationKind::Sigmoid => product(ActivationKind::Silu, same, [0.0, 1.0]),
            ActivationKind::HardSigmoid { slope, offset: 0.5 }
                if (f64::from(slope) * 6.0 - 1.0).abs() < ROUNDING =>
            {
                product(ActivationKind::HardSwish, same, [0.0, 1.0])
            }
            ActivationKind::Clip { low: 0.0, high: 6.0 } => {
                product(ActivationKind::HardSwish, plus_three, [0.0, 1.0 / 6.0])
            }
            ActivationKind::Clip { low: 0.0, high: 1.0 } => {
                product(ActivationKind::HardSwish, sixth_and_half, [0.0, 1.0])
            }
            ActivationKind::Erf => product(ActivationKind::Gelu, over_root_two, [0.5, 0.5]),
            ActivationKind::Tanh => product(ActivationKind::GeluTanh, cubic, [0.5, 0.5]),
            _ => None,
        }
    }
}

fn same(x: &Polynomial) -> Result<Polynomial, Reason> {
    Ok(x.clone())
}

fn plus_three(x: &Polynomial) -> Result<Polynomial, Reason> {
    Ok(x.add(&Polynomial::constant(vec![3.0])))
}

fn sixth_and_half(x: &Polynomial) -> Result<Polynomial, Reason> {
    Ok(x.map(|value| value / 6.0).add(&Polynomial::constant(vec![0.5])))
}

fn over_root_two(x: &Polynomial) -> Result<Polynomial, Reason> {
    Ok(x.map(|value| value * std::f64::consts::FRAC_1_SQRT_2))
}

fn cubic(x: &Polynomial) -> Result<Polynomial, Reason> {
    Ok(x.add(&x.power(3)?.map(|value| value * GELU_TANH_CUBE)).map(|value| value * GELU_TANH_SCALE))
}
