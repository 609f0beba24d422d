/* Between parser.c and compound.c. */
#ifndef MR_PARSER_H
#define MR_PARSER_H
#include "parse.h"

void *parser_alloc(struct parser *p, size_t n);
struct node *parser_node(struct parser *p, enum node_kind kind);
struct word *parser_word(struct parser *p); /* takes the TOK_WORD read ahead */
enum token peek_token(struct parser *p);
enum token peek_command_token(struct parser *p);
void skip_token(struct parser *p);
void skip_linebreaks(struct parser *p);
const char *token_word(struct parser *p);
int at_reserved(struct parser *p, const char *word);
void expect_reserved(struct parser *p, const char *word);
void unexpected(struct parser *p, const char *expected);
int parse_redirect(struct parser *p, struct redirect ***end);
struct node *parse_one(struct parser *p);
struct node *parse_commands(struct parser *p);
struct node *parse_commands_required(struct parser *p);
struct node *parse_compound(struct parser *p); /* NULL: none begins here */
#endif
