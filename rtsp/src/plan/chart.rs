//! Throughput against nodes as a picture (SVG): the model's two lines, the front's bound, and what was measured.

use super::{Case, Equipment};
use plotters::{
    prelude::{
        ChartBuilder, Circle, IntoDrawingArea, IntoFont, LineSeries, PathElement, RGBColor, SVGBackend, ShapeStyle,
        WHITE,
    },
    style::{BLACK, Color},
};
use std::fmt::Display;

/// Pixels.
const SIZE: (u32, u32) = (800, 480);
const BEST: RGBColor = RGBColor(0, 110, 60);
const WORST: RGBColor = RGBColor(190, 60, 20);
const FRONT: RGBColor = RGBColor(120, 120, 120);
const MEASURED: RGBColor = RGBColor(20, 60, 190);

/// A picture's drawing failed, as the drawing library says.
#[derive(Debug, thiserror::Error)]
#[error("drawing the chart: {0}")]
pub struct ChartError(String);

/// Draws 1 to `nodes` nodes on one front; `measured` are pairs of nodes and megabits a second.
pub fn svg(equipment: &Equipment, nodes: u32, measured: &[(u32, f64)]) -> Result<String, ChartError> {
    let mut out = String::new();
    draw(&mut out, equipment, nodes.max(2), measured)?;
    Ok(out)
}

fn draw(out: &mut String, equipment: &Equipment, nodes: u32, measured: &[(u32, f64)]) -> Result<(), ChartError> {
    let fail = |error: &dyn Display| ChartError(error.to_string());
    let line = |case| -> Vec<(f64, f64)> {
        let at = |nodes| (f64::from(nodes), equipment.carried(case, nodes, 0, 1).rate / 1e6);
        (1..=nodes).map(at).collect()
    };
    let (best, worst) = (line(Case::Best), line(Case::Worst));
    let front = equipment.front_rate() / 1e6;
    let points = measured.iter().map(|(nodes, mbit)| (f64::from(*nodes), *mbit));
    let highest = best.iter().copied().chain(points.clone()).map(|(_, y)| y).fold(1.0, f64::max) * 1.15;

    let area = SVGBackend::with_string(out, SIZE).into_drawing_area();
    area.fill(&WHITE).map_err(|error| fail(&error))?;
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .caption("Served rate against nodes", ("sans-serif", 20).into_font())
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d(1.0..f64::from(nodes), 0.0..highest)
        .map_err(|error| fail(&error))?;
    chart
        .configure_mesh()
        .x_desc("nodes")
        .y_desc("Mbit/s")
        .x_labels(usize::try_from(nodes).unwrap_or(usize::MAX).min(13))
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()
        .map_err(|error| fail(&error))?;
    // Nodes whose reading is limited are as quick either way, but for the rounding.
    let mut lines = if best.iter().zip(&worst).all(|((_, best), (_, worst))| (best - worst).abs() <= best * 1e-9) {
        vec![("the model", BEST, best)]
    } else {
        vec![("best: disks read in sequence", BEST, best), ("worst: a seek a unit", WORST, worst)]
    };
    if front <= highest {
        lines.push(("one front's network", FRONT, vec![(1.0, front), (f64::from(nodes), front)]));
    }
    for (name, color, line) in lines {
        chart
            .draw_series(LineSeries::new(line, ShapeStyle::from(color).stroke_width(2)))
            .map_err(|error| fail(&error))?
            .label(name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], color.stroke_width(2)));
    }
    if !measured.is_empty() {
        chart
            .draw_series(points.map(|point| Circle::new(point, 4, MEASURED.filled())))
            .map_err(|error| fail(&error))?
            .label("measured")
            .legend(|(x, y)| Circle::new((x + 9, y), 4, MEASURED.filled()));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()
        .map_err(|error| fail(&error))?;
    area.present().map_err(|error| fail(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_and_point_is_drawn() {
        let drawn = svg(&Equipment::default(), 12, &[(1, 80.0), (4, 321.5)]).unwrap();
        assert!(drawn.starts_with("<svg") && drawn.trim_end().ends_with("</svg>"));
        for words in ["nodes", "Mbit/s", "best: disks", "worst: a seek", "one front", "measured"] {
            assert!(drawn.contains(words), "{words}");
        }
        // Two points and one in the legend.
        assert_eq!(drawn.matches("<circle").count(), 3);
        assert!(drawn.matches("<polyline").count() > 5);
        assert!(!svg(&Equipment::default(), 1, &[]).unwrap().contains("measured"));
        let limited = Equipment { sequential: 1e7, random: 1e7, usable: 1.0, ..Equipment::default() };
        let drawn = svg(&limited, 12, &[]).unwrap();
        assert!(drawn.contains("the model") && !drawn.contains("worst"), "{drawn}");
    }
}
