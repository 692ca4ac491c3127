// Texts that edits and tuning are measured on: NAME=FILE on the command line, tables and JSON.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "lab/find/measured_texts.h"

namespace gremium::cli {

// How much of texts is read: --tokens, with this help, and --window.
void add_sample(Command command, data::SampleOptions& sample, const std::string& tokens_help);

// NAME=FILE, or FILE, which is its name too.
std::vector<lab::NamedFile> named_files(const std::vector<std::string>& arguments);

using Measured = std::vector<lab::MeasuredTexts::Numbers>;
void print_measured(const lab::MeasuredTexts& texts, const Measured& before, const Measured& after);
nlohmann::ordered_json measured_to_json(const lab::MeasuredTexts& texts, const Measured& before, const Measured& after);

}  // namespace gremium::cli
