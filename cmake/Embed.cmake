# cmake -DOUTPUT=… -DHEADER=… -DNAMESPACE=… -DFILES=a;b -P Embed.cmake: a source file with each file's text as the
# string_view name_ext that the header declares.
set(text "#include \"${HEADER}\"\n\nnamespace ${NAMESPACE} {\n")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME)
  string(MAKE_C_IDENTIFIER ${name} name)
  file(READ ${file} content)
  string(APPEND text "\nconst std::string_view ${name} = R\"~~~(${content})~~~\";\n")
endforeach()
string(APPEND text "\n}  // namespace ${NAMESPACE}\n")
file(WRITE ${OUTPUT} "${text}")
